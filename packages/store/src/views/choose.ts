import { release } from "node:os";
import type { SnapshotId } from "@tsbuild/base";
import { inUserNamespace, type NativeFs } from "@tsbuild/native-fs";
import type {
  MemoStore,
  OpenOptions,
  PrepareOptions,
  SnapshotStore,
  Snapshotter,
  SnapshotView,
  SnapshotViews,
  WritableView,
} from "../api.ts";
import { OverlayViews } from "./overlay.ts";

export interface ViewsOptions {
  readonly fs: NativeFs;
  readonly snapshots: SnapshotStore;
  readonly memo: MemoStore;
  readonly temporaryFolder: () => string;
  readonly discardFolder: (path: string) => void;
  readonly snapshotter: Snapshotter | "auto";
  /** Of the copying kind: see `CopyViewsOptions`. */
  readonly plainRoots?: boolean | undefined;
}

/** The views of a store: which kind they are is found out with the first, as most builds look at no snapshot at all. */
export class ChosenViews implements SnapshotViews {
  readonly #options: ViewsOptions;
  readonly #userxattr: boolean;
  #chosen: Promise<SnapshotViews> | undefined;
  #overlays: OverlayViews | undefined;

  constructor(options: ViewsOptions) {
    this.#options = options;
    this.#userxattr = inUserNamespace() || process.getuid?.() !== 0;
  }

  async kind(): Promise<Snapshotter> {
    return (await this.#views()).kind();
  }

  async open(id: SnapshotId, options?: OpenOptions): Promise<SnapshotView> {
    return (await this.#views()).open(id, options);
  }

  /** The snapshot is held no more: nothing of it is kept open. */
  forget(id: SnapshotId): void {
    this.#overlays?.forget(id);
  }

  /** Closes what is open for those to come. */
  close(): void {
    this.#overlays?.close();
  }

  async prepare(parent: SnapshotId | null, options?: PrepareOptions): Promise<WritableView> {
    return (await this.#views()).prepare(parent, options);
  }

  #views(): Promise<SnapshotViews> {
    this.#chosen ??= this.#choose();
    return this.#chosen;
  }

  async #choose(): Promise<SnapshotViews> {
    const { snapshotter } = this.#options;
    const kind = snapshotter === "auto" ? await this.#remembered() : snapshotter;
    return kind === "overlay" ? this.#overlay() : this.#copy();
  }

  #overlay(): SnapshotViews {
    const { fs, snapshots, temporaryFolder } = this.#options;
    const stacks = import("./deep-stack.ts").then(
      ({ DeepStacks }) => new DeepStacks({ fs, temporaryFolder }),
    );
    this.#overlays = new OverlayViews({
      fs,
      snapshots,
      shorten: async (lowers, max) => (await stacks).shorten(lowers, max),
      userxattr: this.#userxattr,
    });
    return this.#overlays;
  }

  async #copy(): Promise<SnapshotViews> {
    const { CopyViews } = await import("./copy.ts");
    return new CopyViews({ ...this.#options, userxattr: this.#userxattr });
  }

  /** The answer depends on file system, kernel and rights: the folder's own memory has the first. */
  async #remembered(): Promise<Snapshotter> {
    const { memo, temporaryFolder, discardFolder, fs } = this.#options;
    const key = `${release()} ${process.getuid?.() ?? 0} ${this.#userxattr}`;
    const known = memo.get("snapshotter", key);
    if (known !== undefined) return Buffer.from(known).toString("latin1") === "copy" ? "copy" : "overlay";
    const { overlayRefusal } = await import("./probe.ts");
    const folder = temporaryFolder();
    const kind = overlayRefusal(fs, folder, this.#userxattr) === undefined ? "overlay" : "copy";
    discardFolder(folder);
    memo.set("snapshotter", key, Buffer.from(kind, "latin1"));
    return kind;
  }
}
