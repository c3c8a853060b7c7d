import type { Digest } from "@tsbuild/base";
import type { Store } from "./api.ts";

/** Repositories remembered per blob and host: the newest is the likeliest to still have it. */
const MAX_SOURCES = 3;

function keyOf(host: string, digest: Digest): string {
  return `${host} ${digest}`;
}

/** Repositories of a host that a blob was pulled from or pushed to: from there it can be mounted (R007). */
export function blobSources(store: Store, host: string, digest: Digest): string[] {
  const value = store.memo.get("blob-source", keyOf(host, digest));
  return value === undefined ? [] : Buffer.from(value).toString("utf8").split("\n");
}

export function rememberSource(
  store: Store,
  {
    host,
    repository,
    digest,
  }: { readonly host: string; readonly repository: string; readonly digest: Digest },
): void {
  const others = blobSources(store, host, digest).filter((known) => known !== repository);
  const value = [repository, ...others].slice(0, MAX_SOURCES).join("\n");
  store.memo.set("blob-source", keyOf(host, digest), Buffer.from(value, "utf8"));
}
