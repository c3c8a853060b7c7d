import type { ProxyEnv } from "@tsbuild/llb";

const FIELDS: Readonly<Record<string, keyof ProxyEnv>> = {
  http_proxy: "http",
  https_proxy: "https",
  ftp_proxy: "ftp",
  no_proxy: "no",
  all_proxy: "all",
};

/** The proxies among the build arguments, in either case (D053): given to commands beside their environment. */
export function proxyEnv(buildArgs: ReadonlyMap<string, string>): ProxyEnv | undefined {
  const proxy = { http: "", https: "", ftp: "", no: "", all: "" };
  let found = false;
  // Sorted, so that it is the same spelling that wins every time when both are given.
  for (const [name, value] of [...buildArgs].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const field = FIELDS[name.toLowerCase()];
    if (field === undefined) continue;
    proxy[field] = value;
    found = true;
  }
  return found ? proxy : undefined;
}
