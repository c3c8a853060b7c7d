import { TsbuildError } from "@tsbuild/base";
import type { Mount } from "@tsbuild/llb";
import type { OpContext, Ref } from "@tsbuild/solver";
import { select } from "../content/content-key.ts";
import { allVisible } from "../content/filter.ts";
import { isFolder, locate } from "../content/locate.ts";
import { selectorOfMount } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";
import { applyCopy } from "../file/apply.ts";
import { CopyOps } from "../file/entries.ts";
import { openTree } from "../tree.ts";
import { tell } from "./notice.ts";

type Acquired = Awaited<ReturnType<OpsEnvironment["store"]["cacheMounts"]["acquire"]>>;

export interface CacheRequest {
  readonly mount: Mount;
  /** Where a new cache takes its first content, owner and mode from. */
  readonly seed: { readonly ref: Ref; readonly path: string } | undefined;
  readonly context: OpContext;
}

/** Folders of a step's cache mounts. */
export interface StepCaches {
  readonly folders: ReadonlyMap<Mount, string>;
  release(): void;
}

/** A cache that a step wants, by the name that its store knows it by. */
interface Wanted {
  readonly name: string;
  readonly request: CacheRequest;
}

/** The strictest wins where one step mounts one cache twice: nobody may be in it who some mount wants kept out. */
const STRICTNESS = ["shared", "private", "locked"];

function strictness(mount: Mount): number {
  return STRICTNESS.indexOf(mount.cache?.sharing ?? "shared");
}

/**
 * The id, and with it the owner and mode of the folder that a new cache begins with, where they are not the default: `/c@1000:1000:0700`. As
 * in BuildKit, a mount with `uid=1000` does not find itself in the cache that a mount of root made under the same id.
 */
async function nameOf(env: OpsEnvironment, { mount, seed }: CacheRequest): Promise<string> {
  const id = mount.cache?.id;
  if (id === undefined) throw new Error("assertion failed: a cache mount without id");
  if (seed === undefined) return id;
  const tree = await openTree(env, seed.ref);
  try {
    const [located] = locate(env.fs, tree, selectorOfMount(seed.path), allVisible.visible);
    // Of a context, owners do not count (D100); anything but a folder is refused when the cache is filled.
    if (located === undefined || tree.kind === "context") return id;
    const { uid, gid, mode } = located.stat;
    const look = `${uid}:${gid}:${(mode & 0o7777).toString(8).padStart(4, "0")}`;
    return look === "0:0:0755" ? id : `${id}@${look}`;
  } finally {
    tree.close();
  }
}

/** One request per name (a second one of a locked cache would wait for the first for ever), in the same order in every step of every build. */
function strictest(all: readonly Wanted[]): Wanted[] {
  const byName = new Map<string, Wanted>();
  for (const wanted of all) {
    const other = byName.get(wanted.name);
    if (other === undefined || strictness(wanted.request.mount) > strictness(other.request.mount))
      byName.set(wanted.name, wanted);
  }
  return [...byName.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Opens the folders of a step's cache mounts and fills new ones (D078). Steps that lock several caches lock them in the order of their
 * names, whatever order they were written in: else two of them could wait for each other.
 */
export async function acquireCaches(
  env: OpsEnvironment,
  requests: readonly CacheRequest[],
): Promise<StepCaches> {
  const acquired: Acquired[] = [];
  const release = (): void => {
    for (const cache of acquired.splice(0).toReversed()) cache.release();
  };
  const all: Wanted[] = [];
  for (const request of requests) all.push({ name: await nameOf(env, request), request });
  const byName = new Map<string, string>();
  try {
    for (const wanted of strictest(all)) {
      const cache = await acquireCache(env, wanted);
      acquired.push(cache);
      byName.set(wanted.name, cache.folder);
    }
  } catch (error) {
    release();
    throw error;
  }
  const folders = new Map(all.map(({ name, request }) => [request.mount, byName.get(name) ?? ""]));
  return { folders, release };
}

/** Longer than steps that only take turns keep each other waiting. */
const PATIENCE_MS = 2_000;

/** A step that ignores the cache starts with an empty one (D090). */
async function acquireCache(env: OpsEnvironment, { name, request }: Wanted): Promise<Acquired> {
  const { mount, seed, context } = request;
  const waiting = `waits for the cache mount at ${mount.dest}, which another step has for itself`;
  const timer = setTimeout(() => tell(context, waiting), PATIENCE_MS);
  const cache = await env.store.cacheMounts
    .acquire({
      id: name,
      sharing: mount.cache?.sharing ?? "shared",
      reset: context.ignoreCache,
      signal: context.signal,
    })
    .finally(() => clearTimeout(timer));
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
