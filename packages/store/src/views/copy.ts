/** Views of snapshots as whole trees, for file systems and rights that overlayfs does not work with. */
import { constants, fstatSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { errnoCode, type SnapshotId } from "@tsbuild/base";
import { type NativeFs, type TreeOp, TreeReader } from "@tsbuild/native-fs";
import { applyTreeOps, cloneTree, ReplayOps, replayLayer, replayRoot } from "@tsbuild/oci";
import type { ActiveSnapshot, SnapshotStore, SnapshotView, SnapshotViews, WritableView } from "../api.ts";
import { once } from "../once.ts";
import { type Change, Changes } from "./changes.ts";

export interface CopyViewsOptions {
  readonly fs: NativeFs;
  readonly snapshots: SnapshotStore;
  /** A fresh folder on the state folder's file system, gone with the store. */
  readonly temporaryFolder: () => string;
  /** Removes such a folder early. */
  readonly discardFolder: (path: string) => void;
  /** True in a user namespace: overlay marks are `user.overlay.*`. */
  readonly userxattr: boolean;
  /** True: roots are the folders themselves, never mounts of them. */
  readonly plainRoots?: boolean | undefined;
}

/** The merged tree of one snapshot. */
interface Tree {
  readonly folder: string;
  users: number;
}

/** Trees kept when nobody looks at them: the next step most likely builds on one of the last. */
const IDLE_TREES = 3;

/** Longer than a tick of the clock that file times are taken from (10 ms at the slowest, CONFIG_HZ=100). */
const CLOCK_TICK_MS = 11;

export class CopyViews implements SnapshotViews {
  readonly #options: CopyViewsOptions;
  /** In the order of use. */
  readonly #trees = new Map<SnapshotId, Promise<Tree>>();

  constructor(options: CopyViewsOptions) {
    this.#options = options;
  }

  async kind(): Promise<"copy"> {
    return "copy";
  }

  async open(id: SnapshotId): Promise<SnapshotView> {
    const tree = await this.#use(id);
    const root = this.#openRoot(tree.folder, "read");
    return {
      root,
      close: () => {
        this.#options.fs.close(root);
        this.#release(tree);
      },
    };
  }

  async prepare(parent: SnapshotId | null): Promise<WritableView> {
    const active = this.#options.snapshots.prepare(parent, { inPlace: true });
    try {
      return parent === null ? this.#onNothing(active) : await this.#onCopy(active, parent);
    } catch (error) {
      this.#options.snapshots.discard(active);
      throw error;
    }
  }

  /** The layer is the whole tree: it is written in place. */
  #onNothing(active: ActiveSnapshot): WritableView {
    const { fs, snapshots } = this.#options;
    const root = this.#openRoot(active.upper, "write");
    const close = once(() => fs.close(root));
    return {
      active,
      root,
      seal: async () => close(),
      commit: async () => {
        close();
        return snapshots.commit(active);
      },
      discard: () => {
        close();
        snapshots.discard(active);
      },
    };
  }

  async #onCopy(active: ActiveSnapshot, parent: SnapshotId): Promise<WritableView> {
    const { fs, snapshots, discardFolder } = this.#options;
    const copy = await this.#copyOf(parent);
    const root = this.#openRoot(copy.folder, "write");
    const close = once(() => fs.close(root));
    let sealed: Promise<void> | undefined;
    const seal = (): Promise<void> => {
      close();
      sealed ??= this.#collect(copy, active.upper);
      return sealed;
    };
    return {
      active,
      root,
      seal,
      commit: async () => {
        await seal();
        const id = snapshots.commit(active);
        this.#trees.set(id, Promise.resolve({ folder: copy.folder, users: 0 }));
        return id;
      },
      discard: () => {
        close();
        discardFolder(copy.folder);
        snapshots.discard(active);
      },
    };
  }

  /** A tree of its own, and how it looks before anything is written to it. */
  async #copyOf(parent: SnapshotId): Promise<{ readonly folder: string; readonly before: Buffer }> {
    const tree = await this.#use(parent);
    const folder = this.#options.temporaryFolder();
    try {
      return await this.#between(tree.folder, folder, async ({ source, dest }) => {
        const { fs } = this.#options;
        await cloneTree({ fs, source, dest });
        const before = await fs.walk(dest, "", { xattrs: false });
        // What is written from now on has later times than all that is there: a change is seen by its ctime.
        await delay(CLOCK_TICK_MS);
        return { folder, before };
      });
    } catch (error) {
      this.#options.discardFolder(folder);
      throw error;
    } finally {
      this.#release(tree);
    }
  }

  /** Writes what changed in a copy to a layer folder, in overlayfs's form. */
  async #collect(copy: { readonly folder: string; readonly before: Buffer }, upper: string): Promise<void> {
    await this.#between(copy.folder, upper, async ({ source, dest }) => {
      const { fs, userxattr } = this.#options;
      const after = new TreeReader(await fs.walk(source, "", { xattrs: true }));
      const before = new TreeReader(copy.before);
      const isNew = madeAfter({ fs, root: source }, newestTimeNs(before));
      const changes = new Changes({ before, after, isNew }).all();
      await applyTreeOps({ fs, source, dest }, changeOps(changes, after, userxattr));
      replayRoot({ fs, source, dest }, after.entry(0));
    });
  }

  #openRoot(folder: string, access: "read" | "write"): number {
    const { fs, plainRoots } = this.#options;
    return plainRoots ? fs.openFolder(folder) : openTreeRoot(fs, folder, access);
  }

  #use(id: SnapshotId): Promise<Tree> {
    const known = this.#trees.get(id);
    const tree = (known ?? this.#merge(id)).then((one) => {
      one.users += 1;
      return one;
    });
    // Moved to the end: the least used are the first to go.
    this.#trees.delete(id);
    this.#trees.set(id, tree);
    if (known === undefined) tree.catch(() => this.#trees.delete(id));
    return tree;
  }

  async #merge(id: SnapshotId): Promise<Tree> {
    const folder = this.#options.temporaryFolder();
    for (const lower of this.#options.snapshots.lowers(id).toReversed()) {
      await this.#between(lower, folder, ({ source, dest }) =>
        replayLayer({ fs: this.#options.fs, source, dest }),
      );
    }
    return { folder, users: 0 };
  }

  #release(tree: Tree): void {
    tree.users -= 1;
    void this.#evict();
  }

  async #evict(): Promise<void> {
    let surplus = this.#trees.size - IDLE_TREES;
    for (const [id, promise] of [...this.#trees]) {
      if (surplus <= 0) return;
      const tree = await promise.catch(() => undefined);
      if (tree === undefined || tree.users > 0 || this.#trees.get(id) !== promise) continue;
      this.#trees.delete(id);
      this.#options.discardFolder(tree.folder);
      surplus -= 1;
    }
  }

  async #between<T>(
    from: string,
    to: string,
    work: (roots: { readonly source: number; readonly dest: number }) => Promise<T>,
  ): Promise<T> {
    const { fs } = this.#options;
    const source = fs.openFolder(from);
    const dest = fs.openFolder(to);
    try {
      return await work({ source, dest });
    } finally {
      fs.close(source);
      fs.close(dest);
    }
  }
}

/** A clone of the folder as a mount of its own, as the sandbox wants its root; where nothing can be mounted, the folder. */
function openTreeRoot(fs: NativeFs, folder: string, access: "read" | "write"): number {
  try {
    return access === "read"
      ? fs.mountOverlay({ lowers: [folder], userxattr: false })
      : fs.mountOverlay({ lowers: [], upper: folder, userxattr: false });
  } catch (error) {
    const code = errnoCode(error);
    if (code === "EPERM" || code === "ENOSYS") return fs.openFolder(folder);
    throw error;
  }
}

function newestTimeNs(tree: TreeReader): bigint {
  let newest = 0n;
  for (let index = 0; index < tree.count; index++) {
    const ctime = tree.ctimeNs(index);
    if (ctime > newest) newest = ctime;
  }
  return newest;
}

/**
 * Tells folders made later, by their time of birth. A file system without such times says 0: then a folder that was made anew in an
 * old one's inode counts as the old one, and its layer names what is gone instead of hiding all, which comes to the same tree.
 */
function madeAfter(
  { fs, root }: { readonly fs: NativeFs; readonly root: number },
  timeNs: bigint,
): (path: string) => boolean {
  return (path) => {
    const folder = fs.openInRoot(
      root,
      path,
      constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
      0,
    );
    try {
      return fstatSync(folder, { bigint: true }).birthtimeNs > timeNs;
    } finally {
      fs.close(folder);
    }
  };
}

function* changeOps(changes: Iterable<Change>, after: TreeReader, userxattr: boolean): Generator<TreeOp> {
  const plan = new ReplayOps();
  for (const change of changes) {
    if (change.type === "removed") yield { type: "whiteout", path: change.path, existing: "replace" };
    else {
      const entry = after.entry(change.index);
      const op = plan.op(entry);
      if (op !== undefined) yield op;
      if (change.opaque) yield { type: "opaque", path: entry.path, userxattr, existing: "replace" };
    }
  }
  yield* plan.times();
}
