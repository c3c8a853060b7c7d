import type { SnapshotId } from "@tsbuild/base";
import type { Ref } from "@tsbuild/solver";
import { type OpenOptions, snapshotOf } from "@tsbuild/store";
import type { OpsEnvironment } from "./environment.ts";
import { contextOf, type LocalContext } from "./local/context.ts";

export { snapshotOf };

/** An open, read-only view of an input: what COPY reads and content keys digest. */
export type SourceTree = {
  /** Root of the tree; every path is resolved beneath it by the kernel. */
  readonly root: number;
  close(): void;
} & (
  | { readonly kind: "context"; readonly context: LocalContext }
  | { readonly kind: "snapshot"; readonly snapshot: SnapshotId }
  | { readonly kind: "empty" }
);

/** Opens what a ref stands for. The caller closes the tree and keeps the ref until then. Options: see `SnapshotViews.open`. */
export async function openTree(env: OpsEnvironment, ref: Ref, options?: OpenOptions): Promise<SourceTree> {
  const context = contextOf(ref);
  if (context !== undefined) {
    const root = env.fs.openFolder(context.folder);
    return { kind: "context", context, root, close: () => env.fs.close(root) };
  }
  const snapshot = snapshotOf(ref);
  if (snapshot !== null)
    return { kind: "snapshot", snapshot, ...(await env.store.views.open(snapshot, options)) };
  const root = env.fs.openFolder(env.store.temporaryFolder());
  return { kind: "empty", root, close: () => env.fs.close(root) };
}
