import { close as closeDescriptor, readdirSync } from "node:fs";
import { promisify } from "node:util";
import { errnoCode, type SnapshotId } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type {
  OnlyPaths,
  OpenOptions,
  PrepareOptions,
  SnapshotStore,
  SnapshotView,
  SnapshotViews,
  WritableView,
} from "../api.ts";
import { once } from "../once.ts";
import { MAX_LOWERS, MAX_LOWERS_IN_A_STRING } from "./lower-limits.ts";
import { OpenedViews } from "./opened.ts";

const closeOnThread = promisify(closeDescriptor);

export interface OverlayViewsOptions {
  readonly fs: Pick<NativeFs, "mountOverlay" | "close" | "openFolder" | "plainLayer">;
  readonly snapshots: SnapshotStore;
  /** Layer folders, top first, that look like the given ones and are `max` at most. */
  readonly shorten: (lowers: readonly string[], max: number) => Promise<readonly string[]>;
  /** True in a user namespace: overlay marks are `user.overlay.*`. */
  readonly userxattr: boolean;
}

/**
 * Views as detached overlay mounts: nothing is copied, and no other process sees them.
 *
 * They are `volatile`: fsync in a step (package managers call it for every file) does nothing, and unmounting does not write the
 * whole disk's dirty data while this thread waits. Layers get to the disk when the store is closed (durability.ts).
 */
export class OverlayViews implements SnapshotViews {
  readonly #options: OverlayViewsOptions;
  /** What the kernel takes: lowered once, when it has refused more. */
  #maxLowers = MAX_LOWERS;
  readonly #opened = new OpenedViews();
  /** Layer folders with nothing in them, of those that were committed here: held, so they stay what they are. */
  readonly #empty = new Set<string>();

  constructor(options: OverlayViewsOptions) {
    this.#options = options;
  }

  async kind(): Promise<"overlay"> {
    return "overlay";
  }

  async open(id: SnapshotId, { again = false, own = false, only }: OpenOptions = {}): Promise<SnapshotView> {
    const { snapshots } = this.#options;
    const plain = only && this.#plainView(snapshots.lowers(id), only);
    if (plain !== undefined) return plain;
    const mount = () => this.#mount(this.#mounted(snapshots.lowers(id)), {});
    if (own) return this.#viewOf(await mount());
    return this.#opened.open(id, { mount, keep: again && snapshots.isHeld(id) });
  }

  /** A mount takes the kernel half a millisecond, and another to take it down. */
  #plainView(lowers: readonly string[], { paths, kind }: OnlyPaths): SnapshotView | undefined {
    const { fs, userxattr } = this.#options;
    const layers = this.#mounted(lowers);
    const options = { userxattr, isFile: kind === "file" };
    const [layer, ...others] = paths.map((path) => fs.plainLayer(layers, path, options));
    if (layer === undefined || others.some((other) => other !== layer)) return undefined;
    return this.#viewOf(fs.openFolder(layers[layer]!));
  }

  #viewOf(root: number): SnapshotView {
    return { root, close: once(() => this.#options.fs.close(root)) };
  }

  forget(id: SnapshotId): void {
    this.#opened.forget(id);
  }

  close(): void {
    this.#opened.forgetAll();
  }

  async prepare(parent: SnapshotId | null, { underlay }: PrepareOptions = {}): Promise<WritableView> {
    const { snapshots } = this.#options;
    const active = snapshots.prepare(parent);
    try {
      const { upper, work } = active;
      const below = underlay === undefined || parent === null ? [] : [underlay];
      const lowers = [...this.#mounted(active.lowers), ...below];
      const root = await this.#mount(lowers, { upper, work, volatile: true });
      return this.#writable({ active, root, shows: this.#nameOf(lowers) });
    } catch (error) {
      snapshots.discard(active);
      throw error;
    }
  }

  /**
   * What of a stack is to be mounted. A folder that is in it twice (COPY --link of the same files again) counts where it is uppermost: all
   * that it says is said there, and overlayfs refuses it twice (ELOOP). Each layer costs its mount a look-up, and a step that writes nothing leaves an empty one. The topmost counts also when it is: the root
   * of a view has its owner, mode and time.
   */
  #mounted(lowers: readonly string[]): readonly string[] {
    const once = [...new Set(lowers)];
    return this.#empty.size === 0 ? once : once.filter((lower, i) => i === 0 || !this.#empty.has(lower));
  }

  /** Names of layers are never used again. */
  #nameOf(lowers: readonly string[]): string {
    return lowers.filter((lower) => !this.#empty.has(lower)).join(":");
  }

  /** Kernels before 6.8 refuse a dozen and more by E2BIG (see native/fs/core/overlay.c); those with the newer call backported do not. */
  async #mount(
    lowers: readonly string[],
    layer: { readonly upper?: string; readonly work?: string; readonly volatile?: boolean },
  ): Promise<number> {
    const { fs, shorten, userxattr } = this.#options;
    try {
      return fs.mountOverlay({ lowers: await shorten(lowers, this.#maxLowers), userxattr, ...layer });
    } catch (error) {
      if (errnoCode(error) !== "E2BIG" || this.#maxLowers <= MAX_LOWERS_IN_A_STRING) throw error;
      this.#maxLowers = MAX_LOWERS_IN_A_STRING;
      return this.#mount(lowers, layer);
    }
  }

  #writable({ active, root, shows }: Pick<WritableView, "active" | "root" | "shows">): WritableView {
    const { fs, snapshots } = this.#options;
    let open = true;
    const close = (): void => {
      if (open) fs.close(root);
      open = false;
    };
    return {
      active,
      root,
      shows,
      seal: async () => {
        const wasOpen = open;
        open = false;
        /* The kernel takes 1–5 ms to take an overlay down: on a thread, as other steps want this one. */
        if (wasOpen) await closeOnThread(root);
      },
      commit: async () => {
        close();
        const id = snapshots.commit(active);
        if (readdirSync(active.upper).length === 0) this.#empty.add(active.upper);
        return id;
      },
      discard: () => {
        close();
        snapshots.discard(active);
      },
    };
  }
}
