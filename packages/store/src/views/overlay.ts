import type { SnapshotId } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { SnapshotStore, SnapshotView, SnapshotViews, WritableView } from "../api.ts";

export interface OverlayViewsOptions {
  readonly fs: Pick<NativeFs, "mountOverlay" | "close" | "openFolder" | "syncFs">;
  readonly snapshots: SnapshotStore;
  /** Layer folders, top first, few enough for the kernel. */
  readonly shorten: (lowers: readonly string[]) => Promise<readonly string[]>;
  /** True in a user namespace: overlay marks are `user.overlay.*`. */
  readonly userxattr: boolean;
}

/**
 * Views as detached overlay mounts: nothing is copied, and no other process sees them.
 *
 * They are `volatile`: fsync in a step (package managers call it for every file) does nothing, and unmounting does not write the
 * whole disk's dirty data while this thread waits. A layer gets to the disk once, in another thread, before its row names it.
 */
export class OverlayViews implements SnapshotViews {
  readonly #options: OverlayViewsOptions;

  constructor(options: OverlayViewsOptions) {
    this.#options = options;
  }

  async kind(): Promise<"overlay"> {
    return "overlay";
  }

  async open(id: SnapshotId): Promise<SnapshotView> {
    const { fs, snapshots, shorten, userxattr } = this.#options;
    const root = fs.mountOverlay({ lowers: await shorten(snapshots.lowers(id)), userxattr });
    return { root, close: () => fs.close(root) };
  }

  async prepare(parent: SnapshotId | null): Promise<WritableView> {
    const { fs, snapshots, shorten, userxattr } = this.#options;
    const active = snapshots.prepare(parent);
    try {
      const lowers = await shorten(active.lowers);
      const root = fs.mountOverlay({
        lowers,
        upper: active.upper,
        work: active.work,
        userxattr,
        volatile: true,
      });
      return this.#writable({ active, root });
    } catch (error) {
      snapshots.discard(active);
      throw error;
    }
  }

  async #sync(upper: string): Promise<void> {
    const { fs } = this.#options;
    const folder = fs.openFolder(upper);
    await fs.syncFs(folder).finally(() => fs.close(folder));
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
      seal: async () => close(),
      commit: async () => {
        close();
        await this.#sync(active.upper);
        return snapshots.commit(active);
      },
      discard: () => {
        close();
        snapshots.discard(active);
      },
    };
  }
}
