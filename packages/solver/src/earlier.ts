import type { VertexDigest } from "@tsbuild/base";
import type { CacheRecord } from "./ports.ts";
import type { SolveRequest } from "./solve.ts";

/**
 * The record that a vertex is compared with when it has to run: the one that the project's last build found or made, or what is still known
 * of it after it was evicted. A solve and a prediction ask alike, so that they give the same reasons.
 */
export function earlierRecord(
  { earlier, storage }: Pick<SolveRequest, "earlier" | "storage">,
  { digest, name }: { readonly digest: VertexDigest; readonly name: string },
): CacheRecord | "first-build" | undefined {
  if (earlier === undefined) return storage.newestLike(name);
  const key = earlier(digest);
  if (key === undefined || key === "first-build") return key as "first-build" | undefined;
  return storage.records(key)[0] ?? storage.trace?.(key);
}
