import { close as closeDescriptor } from "node:fs";
import { promisify } from "node:util";
import { errnoCode, type SnapshotId } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { PrepareOptions, SnapshotStore, SnapshotView, SnapshotViews, WritableView } from "../api.ts";
import { MAX_LOWERS, MAX_LOWERS_IN_A_STRING } from "./lower-limits.ts";

const closeOnThread = promisify(closeDescriptor);

export interface OverlayViewsOptions {
  readonly fs: Pick<NativeFs, "mountOverlay" | "close" | "openFolder">;
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

  constructor(options: OverlayViewsOptions) {
    this.#options = options;
  }

  async kind(): Promise<"overlay"> {
    return "overlay";
  }

  async open(id: SnapshotId): Promise<SnapshotView> {
    const { fs, snapshots } = this.#options;
    const root = await this.#mount(snapshots.lowers(id), {});
    return { root, close: () => fs.close(root) };
  }

  async prepare(parent: SnapshotId | null, { underlay }: PrepareOptions = {}): Promise<WritableView> {
    const { snapshots } = this.#options;
    const active = snapshots.prepare(parent);
    try {
      const { upper, work } = active;
      const below = underlay === undefined || parent === null ? [] : [underlay];
      const root = await this.#mount([...active.lowers, ...below], { upper, work, volatile: true });
      return this.#writable({ active, root });
    } catch (error) {
      snapshots.discard(active);
      throw error;
    }
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

  #writable({ active, root }: Pick<WritableView, "active" | "root">): WritableView {
    const { fs, snapshots } = this.#options;
    let open = true;
    const close = (): void => {
      if (open) fs.close(root);
      open = false;
    };
    return {
      active,
      root,
      seal: async () => {
        const wasOpen = open;
        open = false;
        /* The kernel takes 1–5 ms to take an overlay down: on a thread, as other steps want this one. */
        if (wasOpen) await closeOnThread(root);
      },
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
}
