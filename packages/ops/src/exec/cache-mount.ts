import { TsbuildError } from "@tsbuild/base";
import type { Mount } from "@tsbuild/llb";
import type { OpContext, Ref } from "@tsbuild/solver";
import { select } from "../content/content-key.ts";
import { isFolder } from "../content/locate.ts";
import { selectorOfMount } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";
import { applyCopy } from "../file/apply.ts";
import { CopyOps } from "../file/entries.ts";
import { openTree } from "../tree.ts";

type Acquired = Awaited<ReturnType<OpsEnvironment["store"]["cacheMounts"]["acquire"]>>;

export interface CacheRequest {
  readonly mount: Mount;
  /** Where a new cache takes its first content, owner and mode from. */
  readonly seed: { readonly ref: Ref; readonly path: string } | undefined;
  readonly context: OpContext;
}

/** Folders of cache mounts by their id. */
export interface StepCaches {
  readonly folders: ReadonlyMap<string, string>;
  release(): void;
}

/** The strictest wins where one step mounts one cache twice: nobody may be in it who some mount wants kept out. */
const STRICTNESS = ["shared", "private", "locked"];

function strictness(mount: Mount): number {
  return STRICTNESS.indexOf(mount.cache?.sharing ?? "shared");
}

/** One request per id (a second one of a locked cache would wait for the first for ever), in the same order in every step of every build. */
function requestsById(requests: readonly CacheRequest[]): [string, CacheRequest][] {
  const byId = new Map<string, CacheRequest>();
  for (const request of requests) {
    const id = request.mount.cache?.id;
    if (id === undefined) throw new Error("assertion failed: a cache mount without id");
    const other = byId.get(id);
    if (other === undefined || strictness(request.mount) > strictness(other.mount)) byId.set(id, request);
  }
  return [...byId].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Opens the folders of a step's cache mounts and fills new ones (D078). Steps that lock several caches lock them in the order of their
 * ids, whatever order they were written in: else two of them could wait for each other.
 */
export async function acquireCaches(
  env: OpsEnvironment,
  requests: readonly CacheRequest[],
): Promise<StepCaches> {
  const acquired: Acquired[] = [];
  const folders = new Map<string, string>();
  const release = (): void => {
    for (const cache of acquired.splice(0).toReversed()) cache.release();
  };
  try {
    for (const [id, request] of requestsById(requests)) {
      const cache = await acquireCache(env, request);
      acquired.push(cache);
      folders.set(id, cache.folder);
    }
  } catch (error) {
    release();
    throw error;
  }
  return { folders, release };
}

/** A step that ignores the cache starts with an empty one (D090). */
async function acquireCache(env: OpsEnvironment, request: CacheRequest): Promise<Acquired> {
  const { mount, seed, context } = request;
  if (mount.cache === undefined) throw new Error("assertion failed: a cache mount without id");
  const cache = await env.store.cacheMounts.acquire({
    ...mount.cache,
    reset: context.ignoreCache,
    signal: context.signal,
  });
  try {
    if (cache.created && seed !== undefined) await fill(env, cache.folder, { ...seed, context });
  } catch (error) {
    cache.abandon();
    throw error;
  }
  // Now and not when the step ends: others who share the cache wait for this.
  cache.seeded();
  return cache;
}

async function fill(
  env: OpsEnvironment,
  folder: string,
  seed: { readonly ref: Ref; readonly path: string; readonly context: OpContext },
): Promise<void> {
  const tree = await openTree(env, seed.ref);
  const root = env.fs.openFolder(folder);
  try {
    const [selected] = await select(env, tree, selectorOfMount(seed.path));
    if (selected === undefined || !isFolder(selected.located.stat)) {
      throw new TsbuildError(
        "TSB_CONTEXT",
        `the source ${JSON.stringify(seed.path)} of a cache mount is not a folder`,
      );
    }
    const ownerless = tree.kind === "context";
    const style = { owner: undefined, mode: undefined, mtimeNs: undefined, ownerless, replace: false };
    const target = { fs: env.fs, root, signal: seed.context.signal };
    await applyCopy(target, tree, new CopyOps(selected, "", style));
    const { mode, uid, gid } = selected.located.stat;
    env.fs.setOwnerModeInRoot(root, ".", {
      mode: mode & 0o7777,
      uid: ownerless ? 0 : uid,
      gid: ownerless ? 0 : gid,
    });
  } finally {
    env.fs.close(root);
    tree.close();
  }
}
