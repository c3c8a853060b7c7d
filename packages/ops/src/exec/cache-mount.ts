import { TsbuildError } from "@tsbuild/base";
import type { Mount } from "@tsbuild/llb";
import type { OpContext, Ref } from "@tsbuild/solver";
import { select } from "../content/content-key.ts";
import { isFolder } from "../content/locate.ts";
import { selectorOfMount } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";
import { applyCopy } from "../file/apply.ts";
import { copyOps } from "../file/entries.ts";
import { openTree } from "../tree.ts";

interface CacheRequest {
  readonly mount: Mount;
  /** Where a new cache takes its first content, owner and mode from. */
  readonly seed: { readonly ref: Ref; readonly path: string } | undefined;
  readonly context: OpContext;
}

/** Opens the folder of a cache mount and fills it when it is new (D078). A step that ignores the cache starts with an empty one (D090). */
export async function acquireCache(
  env: OpsEnvironment,
  request: CacheRequest,
): Promise<{ readonly folder: string; release(): void }> {
  const { mount, seed, context } = request;
  if (mount.cache === undefined) throw new Error("assertion failed: a cache mount without id");
  const cache = await env.store.cacheMounts.acquire({
    ...mount.cache,
    reset: context.ignoreCache,
    signal: context.signal,
  });
  if (!cache.created || seed === undefined) return cache;
  try {
    await fill(env, cache.folder, { ...seed, context });
  } catch (error) {
    cache.abandon();
    throw error;
  }
  return cache;
}

async function fill(
  env: OpsEnvironment,
  folder: string,
  seed: { readonly ref: Ref; readonly path: string; readonly context: OpContext },
): Promise<void> {
  const tree = openTree(env, seed.ref);
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
    await applyCopy(target, tree, copyOps(selected, "", style), selected.dataOf);
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
