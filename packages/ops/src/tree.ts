import type { SnapshotId } from "@tsbuild/base";
import type { Ref } from "@tsbuild/solver";
import { snapshotOf } from "@tsbuild/store";
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

/** Opens what a ref stands for. The caller closes the tree and keeps the ref until then. */
export function openTree(env: OpsEnvironment, ref: Ref): SourceTree {
  const context = contextOf(ref);
  if (context !== undefined) {
    const root = env.fs.openFolder(context.folder);
    return { kind: "context", context, root, close: () => env.fs.close(root) };
  }
  const snapshot = snapshotOf(ref);
  const root = snapshot === null ? emptyRoot(env) : mountSnapshot(env, snapshot);
  const close = (): void => env.fs.close(root);
  return snapshot === null ? { kind: "empty", root, close } : { kind: "snapshot", snapshot, root, close };
}

/** A read-only view of a snapshot, as a detached mount that no other process sees. */
export function mountSnapshot(env: OpsEnvironment, snapshot: SnapshotId): number {
  return env.fs.mountOverlay({ lowers: env.store.snapshots.lowers(snapshot), userxattr: env.userxattr });
}

function emptyRoot(env: OpsEnvironment): number {
  return env.fs.openFolder(env.store.temporaryFolder());
}
