import type { SnapshotId } from "@tsbuild/base";
import type { CopyAction } from "@tsbuild/llb";
import type { OpContext, Ref } from "@tsbuild/solver";
import { contentKey } from "../content/content-key.ts";
import { selectorOfMount } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";
import { runCopy } from "../file/copy.ts";
import { openTree } from "../tree.ts";

function copyOf(path: string): CopyAction {
  return {
    type: "copy",
    src: path,
    dest: path,
    mode: -1,
    modeStr: "",
    followSymlink: true,
    dirCopyContents: true,
    attemptUnpackDockerCompatibility: false,
    createDestPath: true,
    allowWildcard: false,
    allowEmptyWildcard: false,
    timestampNs: -1n,
    includePatterns: [],
    excludePatterns: [],
    requiredPaths: [],
    alwaysReplaceExistingDestPaths: false,
  };
}

/**
 * A snapshot of a part of a local context, for mounting. The user's folder itself is never mounted: a step would see files that the
 * ignore file hides, owners that the key does not know, and edits made while it runs.
 */
export async function materialize(
  env: OpsEnvironment,
  ref: Ref,
  options: { readonly path: string; readonly context: OpContext },
): Promise<SnapshotId> {
  const path = options.path === "" ? "/" : options.path;
  const { digest } = await contentKey(env, ref, [selectorOfMount(path)]);
  const key = `${digest} ${path}`;
  const known = env.store.memo.get("context-snapshot", key);
  const id = known === undefined ? undefined : (Buffer.from(known).toString("latin1") as SnapshotId);
  if (id !== undefined && env.store.snapshots.exists(id)) return id;
  const snapshot = await copyContext(env, ref, path, options.context);
  env.store.memo.set("context-snapshot", key, Buffer.from(String(snapshot), "latin1"));
  return snapshot;
}

async function copyContext(
  env: OpsEnvironment,
  ref: Ref,
  path: string,
  context: OpContext,
): Promise<SnapshotId> {
  const tree = await openTree(env, ref);
  const layer = await env.store.views.prepare(null);
  try {
    const target = { fs: env.fs, root: layer.root, signal: context.signal };
    await runCopy({ env, action: copyOf(path), tree, target, owner: undefined, placed: new Map() });
  } catch (error) {
    layer.discard();
    throw error;
  } finally {
    tree.close();
  }
  return layer.commit();
}
