import { mkdirSync } from "node:fs";
import type { SnapshotId } from "@tsbuild/base";
import { TsbuildError } from "@tsbuild/base";
import type { ExecOp, Mount } from "@tsbuild/llb";
import type { ExecMount } from "@tsbuild/sandbox";
import type { OpContext, Ref } from "@tsbuild/solver";
import type { WritableView } from "@tsbuild/store";
import { cleanPath, isFolder } from "../content/locate.ts";
import type { OpsEnvironment } from "../environment.ts";
import { contextOf } from "../local/context.ts";
import { snapshotOf } from "../tree.ts";
import { acquireCaches, type CacheRequest } from "./cache-mount.ts";
import { mountAgent, mountSecret } from "./grant-mounts.ts";
import { materialize } from "./materialize.ts";
import { MemoryFolder } from "./memory-folder.ts";
import { inMountOrder, mountTarget } from "./mount-target.ts";

/** What a step's mounts hold open; everything is given back by `close`. */
export interface StepMounts {
  /** In the order of mounting. */
  readonly mounts: readonly ExecMount[];
  /** Layers whose content becomes an output, by output number. */
  readonly outputs: ReadonlyMap<number, WritableView>;
  /** Commits an output layer: from then on it is not discarded by `close`. */
  commit(output: number): Promise<SnapshotId>;
  close(): void;
}

interface MountRun {
  readonly env: OpsEnvironment;
  readonly op: ExecOp;
  readonly inputs: readonly Ref[];
  readonly context: OpContext;
}

function freshFolder({ store }: OpsEnvironment): string {
  const folder = store.temporaryFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Prepares all mounts but the root. */
export async function prepareMounts(run: MountRun): Promise<StepMounts> {
  const closers: (() => void)[] = [];
  const mounts: ExecMount[] = [];
  const outputs = new Map<number, WritableView>();
  const onDisk = run.env.isolation === "chroot" ? () => freshFolder(run.env) : undefined;
  const memory = new MemoryFolder(run.env.fs, onDisk);
  closers.push(() => memory.close());
  const close = (): void => {
    for (const closer of closers.toReversed()) closer();
    for (const layer of outputs.values()) layer.discard();
    outputs.clear();
  };
  try {
    const caches = await acquireCaches(
      run.env,
      run.op.mounts.flatMap((mount) => cacheRequest(run, mount)),
    );
    closers.push(() => caches.release());
    for (const mount of inMountOrder(run.op)) {
      if (mountTarget(run.op, mount.dest) === "/") continue;
      const prepared = await prepareMount({
        ...run,
        mount,
        closers,
        outputs,
        memory,
        caches: caches.folders,
      });
      if (prepared !== undefined) mounts.push(prepared);
    }
  } catch (error) {
    close();
    throw error;
  }
  const commit = async (output: number): Promise<SnapshotId> => {
    const layer = outputs.get(output);
    if (layer === undefined) throw new Error(`assertion failed: no mount has output ${output}`);
    outputs.delete(output);
    return layer.commit();
  };
  return { mounts, outputs, commit, close };
}

export interface OneMount extends MountRun {
  readonly mount: Mount;
  readonly closers: (() => void)[];
  readonly memory: MemoryFolder;
  readonly outputs: Map<number, WritableView>;
  /** Folders of the step's caches. */
  readonly caches: ReadonlyMap<Mount, string>;
}

async function prepareMount(one: OneMount): Promise<ExecMount | undefined> {
  const dest = mountTarget(one.op, one.mount.dest);
  switch (one.mount.type) {
    case "tmpfs":
      return { type: "tmpfs", dest, sizeBytes: one.mount.tmpfsSizeBytes || undefined, mode: 0o1777 };
    case "cache":
      return prepareCache(one, dest);
    case "bind":
      return prepareBind(one, dest);
    case "secret":
      return mountSecret(one, dest);
    case "ssh":
      return mountAgent(one, dest);
  }
}

function cacheRequest({ inputs, context }: MountRun, mount: Mount): CacheRequest[] {
  if (mount.type !== "cache") return [];
  const seed = mount.input < 0 ? undefined : { ref: inputAt(inputs, mount.input), path: mount.selector };
  return [{ mount, seed, context }];
}

function prepareCache(one: OneMount, dest: string): ExecMount {
  const { env, mount, caches, closers } = one;
  const folder = caches.get(mount);
  if (folder === undefined) throw new Error(`assertion failed: the cache of ${dest} was not acquired`);
  const fd = env.fs.openFolder(folder);
  closers.push(() => env.fs.close(fd));
  return { type: "bind", fd, sourcePath: "", kind: "folder", dest, readonly: mount.readonly };
}

function inputAt(inputs: readonly Ref[], index: number): Ref {
  const ref = inputs[index];
  if (ref === undefined) throw new Error(`assertion failed: mount refers to input ${index}`);
  return ref;
}

async function snapshotOfInput(one: OneMount): Promise<SnapshotId | null> {
  const { mount, inputs, env, context } = one;
  if (mount.input < 0) return null;
  const ref = inputAt(inputs, mount.input);
  return contextOf(ref) === undefined
    ? snapshotOf(ref)
    : materialize(env, ref, { path: mount.selector, context });
}

/** Read-only: the snapshot itself. Writable: a layer on it, kept when it is an output, else thrown away (D077). */
async function prepareBind(one: OneMount, dest: string): Promise<ExecMount> {
  const { env, mount } = one;
  const snapshot = await snapshotOfInput(one);
  let fd: number;
  if (mount.readonly && snapshot !== null) {
    const view = await env.store.views.open(snapshot, { own: true });
    fd = view.root;
    one.closers.push(() => view.close());
  } else {
    const layer = await env.store.views.prepare(snapshot);
    fd = layer.root;
    if (mount.output >= 0) one.outputs.set(mount.output, layer);
    else one.closers.push(() => layer.discard());
  }
  const sourcePath = cleanPath(mount.selector);
  return { type: "bind", fd, sourcePath, kind: kindOf(env, fd, sourcePath), dest, readonly: mount.readonly };
}

function kindOf(env: OpsEnvironment, root: number, path: string): "folder" | "file" {
  const stat = env.fs.statInRoot(root, path === "" ? "." : path, true);
  if (stat === undefined) {
    throw new TsbuildError(
      "TSB_CONTEXT",
      `the source ${JSON.stringify(`/${path}`)} of a mount does not exist`,
      {
        hint: "source= is taken from the root of the context, stage or image that from= names",
      },
    );
  }
  return isFolder(stat) ? "folder" : "file";
}

/** An empty or generated file of ours, mounted read-only. */
export function fileMount(env: OpsEnvironment, folder: string, name: string, dest: string) {
  const fd = env.fs.openFolder(folder);
  const mount: ExecMount = { type: "bind", fd, sourcePath: name, kind: "file", dest, readonly: true };
  return { mount, close: () => env.fs.close(fd) };
}
