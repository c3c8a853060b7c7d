import type { ExecMeta, ProxyEnv } from "@tsbuild/llb";

export const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function nameOf(entry: string): string {
  const at = entry.indexOf("=");
  return at < 0 ? entry : entry.slice(0, at);
}

/** Proxy settings under both spellings (D053). */
function proxyEntries(proxy: ProxyEnv | undefined): string[] {
  if (proxy === undefined) return [];
  const named: readonly (readonly [string, string])[] = [
    ["HTTP_PROXY", proxy.http],
    ["HTTPS_PROXY", proxy.https],
    ["FTP_PROXY", proxy.ftp],
    ["NO_PROXY", proxy.no],
    ["ALL_PROXY", proxy.all],
  ];
  return named
    .filter(([, value]) => value !== "")
    .flatMap(([name, value]) => [`${name}=${value}`, `${name.toLowerCase()}=${value}`]);
}

/**
 * The whole environment of a step (D075, B011): the recorded one, proxies that it does not set itself, HOME from passwd and a
 * PATH where it has none. Nothing of the builder's own environment.
 */
export function stepEnvironment(
  meta: ExecMeta,
  options: {
    readonly home: string;
    readonly extra: readonly string[];
    /** Values of secrets: they win over a recorded variable of the same name. */
    readonly secrets: ReadonlyMap<string, string>;
  },
): string[] {
  const { secrets } = options;
  const recorded = meta.env.filter((entry) => !secrets.has(nameOf(entry)));
  const env = [...recorded, ...Array.from(secrets, ([name, value]) => `${name}=${value}`)];
  const names = new Set(env.map(nameOf));
  for (const entry of [
    ...proxyEntries(meta.proxyEnv),
    ...options.extra,
    `HOME=${options.home}`,
    DEFAULT_PATH,
  ]) {
    if (names.has(nameOf(entry))) continue;
    names.add(nameOf(entry));
    env.push(entry);
  }
  return env;
}
