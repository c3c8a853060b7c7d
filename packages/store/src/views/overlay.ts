import type { SnapshotId } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { SnapshotStore, SnapshotView, SnapshotViews, WritableView } from "../api.ts";

export interface OverlayViewsOptions {
  readonly fs: Pick<NativeFs, "mountOverlay" | "close">;
  readonly snapshots: SnapshotStore;
  /** Layer folders, top first, few enough for the kernel. */
  readonly shorten: (lowers: readonly string[]) => Promise<readonly string[]>;
  /** True in a user namespace: overlay marks are `user.overlay.*`. */
  readonly userxattr: boolean;
}

/** Views as detached overlay mounts: nothing is copied, and no other process sees them. */
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
      const root = fs.mountOverlay({ lowers, upper: active.upper, work: active.work, userxattr });
      return this.#writable({ active, root });
    } catch (error) {
      snapshots.discard(active);
      throw error;
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
}
