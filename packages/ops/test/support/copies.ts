import type { SnapshotId, VertexDigest } from "@tsbuild/base";
import type { CopyAction, FileAction, Op } from "@tsbuild/llb";
import { type NativeFs, nativeFs } from "@tsbuild/native-fs";
import { measureLayer, packLayer } from "@tsbuild/oci";
import type { Ref } from "@tsbuild/solver";
import type { Store } from "@tsbuild/store";
import type { OpsEnvironment } from "../../src/environment.ts";
import { fileOp } from "../../src/file/op.ts";
import { NO_GRANTS } from "../../src/grants/grants.ts";
import { anySource } from "../../src/sources.ts";
import { snapshotOf } from "../../src/tree.ts";

function never(): never {
  throw new Error("not needed here");
}

export function environment(store: Store, fs: NativeFs = nativeFs): OpsEnvironment {
  return {
    ...{ store, fs, sandbox: never, images: never, http: never, git: never, rules: anySource },
    ...{ contexts: new Map(), networks: never, resolvConf: () => undefined, userxattr: false },
    ...{ proxyEnv: [], grants: NO_GRANTS },
  };
}

/** All of the source, as `COPY . /app/` has it. */
export const COPY: CopyAction = {
  ...{ type: "copy", src: "/", dest: "/app/", mode: -1, modeStr: "", timestampNs: -1n },
  ...{ followSymlink: true, dirCopyContents: true, attemptUnpackDockerCompatibility: false },
  ...{ createDestPath: true, allowWildcard: true, allowEmptyWildcard: true },
  ...{ includePatterns: [], excludePatterns: [], requiredPaths: [], alwaysReplaceExistingDestPaths: false },
};

/** Runs a file op of these actions, and releases what it is run on. */
export async function runActions(
  store: Store,
  inputs: readonly Ref[],
  actions: readonly FileAction[],
): Promise<SnapshotId> {
  const op = { inputs: [], kind: { type: "file", actions }, platform: undefined } as unknown as Op & {
    readonly kind: { readonly type: "file" };
  };
  const signal = new AbortController().signal;
  const context = { vertex: "" as VertexDigest, signal, emit: () => undefined, ignoreCache: false };
  try {
    const [result] = await fileOp(environment(store), op as never).run(inputs, context);
    return snapshotOf(result!)!;
  } finally {
    for (const input of inputs) input.release();
  }
}

/** Folder of the layer that the snapshot adds to its parent. */
export function layerFolder(store: Store, id: SnapshotId): string {
  return store.snapshots.lowers(id)[0]!;
}

/** The same with all of the layer as an image has it. */
export async function wholeFolder(store: Store, id: SnapshotId): Promise<string> {
  return (await store.snapshots.wholeLayers(id)).at(-1)!.folder;
}

/** Of that layer, with no time later than this one (in seconds). */
export async function diffId(store: Store, id: SnapshotId, epoch: number): Promise<string> {
  const root = nativeFs.openFolder(await wholeFolder(store, id));
  return packed(root, epoch).finally(() => nativeFs.close(root));
}

/** Of all that a step sees on the snapshot, likewise. */
export async function viewId(store: Store, id: SnapshotId, epoch: number): Promise<string> {
  const view = await store.views.open(id);
  return packed(view.root, epoch).finally(() => view.close());
}

async function packed(root: number, epoch: number): Promise<string> {
  const tar = packLayer(root, { fs: nativeFs, maxMtimeNs: BigInt(epoch) * 1_000_000_000n });
  const measured = measureLayer(tar);
  for await (const _ of measured.stream);
  return measured.result().diffId;
}
