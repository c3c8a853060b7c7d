import { type NativeFs, type NodeOptions, PlainMembers } from "@tsbuild/native-fs";
import type { TarEntry } from "../tar/entry.ts";
import { type MemberTaker, readTar } from "../tar/reader.ts";
import { type LayerTar, type MemberMaker, measureLayer, type PackedLayer } from "./measure.ts";
import { memberPath, parentPath } from "./member-path.ts";
import { TreeWriter, unpackFailure, type WriteCalls } from "./tree-writer.ts";
import { refuse, Unpacker } from "./unpacker.ts";
import { OPAQUE_NAME, WHITEOUT_PREFIX } from "./whiteout.ts";

export interface UnpackLayerOptions {
  readonly fs: WriteCalls & Pick<NativeFs, "listInRoot">;
  /** Descriptors of the layer folders below, top first: where implied folders take their metadata from. */
  readonly lowers?: readonly number[] | undefined;
  /** In a user namespace: opaque folders are marked by `user.overlay.opaque`, and devices are left out (mknod is refused). */
  readonly userxattr: boolean;
  readonly signal?: AbortSignal | undefined;
  /** See `TreeWriter`. */
  readonly isCrowded?: (() => boolean) | undefined;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export interface UnpackedLayer extends PackedLayer {
  /** Folders that the layer needs but has no entry for, made by default as 0755 0:0: see `inheritFolders`. */
  readonly impliedFolders: readonly string[];
  /** Paths that the layer hides: see `dropIdleWhiteouts`. */
  readonly whiteouts: readonly string[];
}

/** Metadata of the folder that `path` is in the layers below, topmost first; undefined where there is none. */
export function folderBelow(
  fs: Pick<NativeFs, "statInRoot">,
  lowers: readonly number[],
  path: string,
): NodeOptions | undefined {
  for (const lower of lowers) {
    const stat = fs.statInRoot(lower, path, false);
    if (stat === undefined) continue;
    if ((stat.mode & S_IFMT) !== S_IFDIR) return undefined;
    return { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtimeNs: stat.mtimeNs };
  }
  return undefined;
}

/**
 * Gives implied folders the metadata that they have in the layers below (`lowers`: descriptors, top first), which they would hide
 * (/tmp's 1777). For layers that were unpacked in parallel, before those below were there; bottom layer first.
 */
export async function inheritFolders(
  fs: WriteCalls,
  root: number,
  options: { readonly lowers: readonly number[]; readonly folders: readonly string[] },
): Promise<void> {
  const writer = new TreeWriter(fs, root);
  for (const path of options.folders) {
    const metadata = folderBelow(fs, options.lowers, path);
    if (metadata !== undefined) await writer.add({ type: "folder", path, existing: "replace", ...metadata });
  }
  await writer.finish();
}

function isBelowAny(path: string, folders: ReadonlySet<string>): boolean {
  if (folders.size === 0) return false;
  for (let at = parentPath(path); at !== ""; at = parentPath(at)) if (folders.has(at)) return true;
  return false;
}

/** Applies the members of one layer tar to an empty layer folder. */
class LayerUnpacker implements MemberTaker {
  readonly #tar: LayerTar;
  readonly #options: UnpackLayerOptions;
  readonly #writer: TreeWriter;
  readonly #unpacker: Unpacker;
  readonly #plain: PlainMembers;
  readonly #maker: MemberMaker;
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<string>();
  readonly implied: string[] = [];

  get whiteouts(): readonly string[] {
    return [...this.#whiteouts];
  }

  constructor(tar: LayerTar, root: number, options: UnpackLayerOptions) {
    this.#tar = tar;
    this.#options = options;
    this.#writer = new TreeWriter(options.fs, root, options.isCrowded);
    this.#plain = new PlainMembers(root);
    this.#unpacker = new Unpacker({
      writer: this.#writer,
      impliedFolder: (path, member) => this.#impliedFolder(path, member),
      rootMetadata: true,
      devices: !options.userxattr,
      plain: this.#plain,
    });
    this.#maker = { members: this.#plain, onMade: (count) => this.#unpacker.count(count) };
  }

  get isInside(): boolean {
    return this.#plain.isInside;
  }

  /**
   * Members that leave nothing to decide are made by the addon, here and now. Where a processor has nothing to do, it writes files while this
   * thread inflates, which takes less time (and more work).
   */
  take(bytes: Buffer): number | Promise<number> {
    if (this.isInside) return this.#takeNow(bytes);
    if (this.#options.isCrowded?.() !== true) return 0;
    return this.#writer.isIdle
      ? this.#takeNow(bytes)
      : this.#writer.finish().then(() => this.#takeNow(bytes));
  }

  #takeNow(bytes: Buffer): number {
    this.#options.signal?.throwIfAborted();
    try {
      const { consumed, made } = this.#plain.run(bytes);
      this.#unpacker.count(made);
      if (consumed === bytes.length) this.#tar.offer?.(this.#maker);
      return consumed;
    } catch (error) {
      throw unpackFailure(error);
    }
  }

  #impliedFolder(path: string, member: TarEntry): NodeOptions {
    this.implied.push(path);
    const below = folderBelow(this.#options.fs, this.#options.lowers ?? [], path);
    return below ?? { mode: 0o755, uid: 0, gid: 0, mtimeNs: member.mtimeNs };
  }

  async unpack(): Promise<void> {
    try {
      await this.#members();
      await this.#finish();
    } finally {
      await this.#writer.settle();
      this.#plain.close();
    }
  }

  async #members(): Promise<void> {
    for await (const member of readTar(this.#tar.stream, this)) {
      this.#options.signal?.throwIfAborted();
      const path = memberPath(member.entry.path);
      const name = path.slice(path.lastIndexOf("/") + 1);
      if (name.startsWith(WHITEOUT_PREFIX)) await this.#marker(path, name, member.entry);
      else {
        const added = this.#unpacker.add(path, member);
        if (added !== undefined) await added;
        if (this.#whiteouts.delete(path) && member.entry.type === "folder") this.#opaque.add(path);
      }
    }
  }

  async #marker(path: string, name: string, entry: TarEntry): Promise<void> {
    const parent = parentPath(path);
    if (name === OPAQUE_NAME) {
      await this.#unpacker.makeParents(path, entry);
      this.#opaque.add(parent);
      return;
    }
    // The other names of this form are book-keeping of AUFS (.wh..wh.plnk).
    if (name.startsWith(`${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`)) return;
    const hidden = name.slice(WHITEOUT_PREFIX.length);
    if (hidden === "" || hidden === "." || hidden === "..")
      throw refuse(`the whiteout ${JSON.stringify(path)} has no name`);
    await this.#whiteout(parent === "" ? hidden : `${parent}/${hidden}`, entry);
  }

  /** A whiteout hides what is below the layer, never what is in it (image-spec layer.md, "Whiteouts"). */
  async #whiteout(path: string, entry: TarEntry): Promise<void> {
    if (this.#unpacker.others.has(path)) return;
    if (this.#unpacker.folders.has(path)) {
      this.#opaque.add(path);
      return;
    }
    await this.#unpacker.makeParents(path, entry);
    this.#whiteouts.add(path);
    await this.#writer.add({ type: "whiteout", path, existing: "replace" });
  }

  /** overlayfs does not look for the opaque mark on the root of a layer: what is below is hidden name by name. */
  async #hideRoot(): Promise<void> {
    for (const lower of this.#options.lowers ?? []) {
      for (const name of this.#options.fs.listInRoot(lower, "")) {
        if (this.#unpacker.folders.has(name)) this.#opaque.add(name);
        else if (!this.#unpacker.others.has(name) && !this.#whiteouts.has(name)) {
          this.#whiteouts.add(name);
          await this.#writer.add({ type: "whiteout", path: name, existing: "replace" });
        }
      }
    }
  }

  /** Nothing of the layers below shows in an opaque folder: there is nothing for a whiteout to hide. */
  async #dropBelowOpaque(): Promise<void> {
    for (const path of this.#whiteouts) {
      if (!isBelowAny(path, this.#opaque)) continue;
      this.#whiteouts.delete(path);
      await this.#writer.add({ type: "remove", path, existing: "replace" });
    }
  }

  async #finish(): Promise<void> {
    if (this.#opaque.delete("")) await this.#hideRoot();
    await this.#dropBelowOpaque();
    const { userxattr } = this.#options;
    for (const path of this.#opaque) {
      if (!this.#unpacker.folders.has(path)) continue;
      await this.#writer.add({ type: "opaque", path, existing: "replace", userxattr });
    }
    await this.#unpacker.finish();
  }
}

/**
 * Applies one layer tar to the empty folder behind the descriptor `root`, as overlayfs wants a layer: whiteouts as character
 * devices 0:0, opaque folders by xattr. Reads the tar to its end and returns the digest of all its bytes: the
 * caller compares it with what the image config says before it uses the folder. Throws TSB_INTEGRITY on a damaged or hostile
 * archive, TSB_DISK_FULL, TSB_STORE.
 */
export async function unpackLayerTar(
  tar: LayerTar,
  root: number,
  options: UnpackLayerOptions,
): Promise<UnpackedLayer> {
  const unpacker = new LayerUnpacker(tar, root, options);
  await unpacker.unpack();
  return { ...tar.result(), impliedFolders: unpacker.implied, whiteouts: unpacker.whiteouts };
}

/** `unpackLayerTar` of an uncompressed stream. */
export function unpackLayer(
  stream: AsyncIterable<Uint8Array>,
  root: number,
  options: UnpackLayerOptions,
): Promise<UnpackedLayer> {
  return unpackLayerTar(measureLayer(stream), root, options);
}
