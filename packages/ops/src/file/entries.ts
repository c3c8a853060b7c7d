import { type TreeOp, type TreeReader, TWIN, type WalkedFiles, type Xattr } from "@tsbuild/native-fs";
import { Batches, type BatchLimits } from "../content/batches.ts";
import type { Selected } from "../content/content-key.ts";
import { isContentXattr } from "../content/digest.ts";
import { rootPath } from "../content/locate.ts";
import type { ModeChange } from "./mode.ts";
import type { Ownership } from "./owner.ts";
import { SharedNames } from "./shared-names.ts";
import { join } from "./target.ts";

const S_IFMT = 0o170000;
type NodeKind = "fifo" | "char" | "block" | "socket";
const NODE_KINDS: ReadonlyMap<number, NodeKind> = new Map([
  [0o010000, "fifo"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o140000, "socket"],
]);

const ROOT = { uid: 0, gid: 0 };

/** How the copy differs from its source. */
export interface CopyStyle {
  /** Owner of everything copied; undefined keeps the source's. */
  readonly owner: Ownership | undefined;
  readonly mode: ModeChange | undefined;
  /** mtime of everything copied; undefined keeps the source's. */
  readonly mtimeNs: bigint | undefined;
  /** Files from a local context belong to 0:0 unless `owner` says else (D100). */
  readonly ownerless: boolean;
  /** Replace whatever is in the way instead of failing on folder against file. */
  readonly replace: boolean;
}

/** A copied file: the op, and the index of its entry. */
export interface FileOp {
  readonly op: TreeOp;
  readonly index: number;
}

/** Files of one source, all copied in the same way; which of them, `picks` say. */
export type CopiedFiles = Omit<WalkedFiles, "picks">;

/**
 * Turns the chosen entries of a source into the ops that recreate them at `target`: in phases of which each may rely on the ones
 * before, each made while it is performed.
 */
export class CopyOps {
  readonly #selected: Selected;
  readonly #target: string;
  readonly #style: CopyStyle;
  /** Files with several names in the copy, so that they stay one file (D102). */
  readonly #names: SharedNames;
  /** Files that were copied while they were digested, and the names of those copies. */
  readonly #staged: ReadonlyMap<number, string>;

  constructor(selected: Selected, target: string, style: CopyStyle) {
    this.#selected = selected;
    this.#target = target;
    this.#style = style;
    this.#names = new SharedNames(selected);
    this.#staged = this.#takeStaged(selected);
  }

  #takeStaged({ staged, chosen }: Selected): ReadonlyMap<number, string> {
    const taken = new Map<number, string>();
    if (staged === undefined || staged.isEmpty) return taken;
    for (const index of chosen) {
      const name = this.#isFirstName(index) ? staged.take(index) : undefined;
      if (name !== undefined) taken.set(index, name);
    }
    return taken;
  }

  get #reader(): TreeReader {
    return this.#selected.reader;
  }

  #path(index: number): string {
    return join(this.#target, this.#reader.path(index));
  }

  #common(index: number) {
    const kept = this.#reader.hasXattrs(index)
      ? this.#reader.xattrs(index).filter((xattr: Xattr) => isContentXattr(xattr.name))
      : [];
    return {
      path: this.#path(index),
      existing: this.#style.replace ? ("replace" as const) : ("copy" as const),
      xattrs: kept.length > 0 ? kept : undefined,
      ...this.#owner(index),
      mtimeNs: this.#style.mtimeNs ?? this.#reader.mtimeNs(index),
    };
  }

  #owner(index: number): Ownership {
    const { owner, ownerless } = this.#style;
    if (owner !== undefined) return owner;
    return ownerless ? ROOT : { uid: this.#reader.uid(index), gid: this.#reader.gid(index) };
  }

  #mode(index: number): number {
    const mode = this.#reader.mode(index);
    return this.#style.mode === undefined ? mode & 0o7777 : this.#style.mode(mode);
  }

  /** The folder that contents are copied into keeps its own mode and owner (D097, D098), so entry 0 is none of these. */
  *folders(): Generator<TreeOp> {
    for (const index of this.#selected.chosen) {
      if (index > 0 && this.#reader.isFolder(index))
        yield { ...this.#common(index), type: "folder", mode: this.#mode(index) };
    }
  }

  /** Where a file is in the source, and where it goes. */
  pathsOf(index: number): { readonly from: string; readonly to: string } {
    return {
      from: rootPath(this.#selected.located, this.#reader.path(index)),
      to: this.#path(index),
    };
  }

  /** See `moved`; undefined when there are none. */
  get stagedRoot(): number | undefined {
    return this.#staged.size === 0 ? undefined : this.#selected.staged?.root;
  }

  /** What `picks` are picks of. */
  get copied(): CopiedFiles {
    const { located, hashes } = this.#selected;
    const { owner, ownerless, mtimeNs, replace } = this.#style;
    return {
      walk: this.#reader.bytes,
      hashes,
      from: located.path,
      to: this.#target,
      existing: replace ? "replace" : "copy",
      owner: owner ?? (ownerless ? ROOT : undefined),
      mtimeNs,
    };
  }

  /** Files without extended attributes, one name of each, independent of each other: some with each call, none at the end. `isTwin`: see `WalkedFiles`. */
  picks(limits: BatchLimits, isTwin: (index: number) => boolean = () => false): () => Uint32Array {
    const { chosen } = this.#selected;
    const isPicked = (index: number): boolean =>
      this.#isFirstName(index) && this.#isPlain(index) && !this.#staged.has(index);
    const sizeOf = (index: number): number => (isTwin(index) ? 0 : this.#reader.size(index));
    const batches = new Batches(chosen.filter(isPicked), sizeOf, limits);
    return () => this.#asPicks(batches.take(), isTwin);
  }

  #asPicks(indexes: Uint32Array, isTwin: (index: number) => boolean): Uint32Array {
    const picks = new Uint32Array(indexes.length * 2);
    for (const [i, index] of indexes.entries()) {
      const twin = !this.#names.isShared(index) && isTwin(index);
      picks[i * 2] = index;
      picks[i * 2 + 1] = this.#mode(index) + (twin ? TWIN : 0);
    }
    return picks;
  }

  /** The other files, in the same way: with attributes, or a source that is a file itself. */
  *others(): Generator<FileOp> {
    const { located, chosen } = this.#selected;
    for (const index of chosen) {
      if (!this.#isFirstName(index) || this.#isPlain(index) || this.#staged.has(index)) continue;
      const from = rootPath(located, this.#reader.path(index));
      yield { index, op: { ...this.#common(index), type: "copy", mode: this.#mode(index), from } };
    }
  }

  /** Files whose copies need only be put to their places, from below the root of `Selected.staged`. */
  *moved(): Generator<TreeOp> {
    for (const [index, from] of this.#staged)
      yield { ...this.#common(index), type: "move", mode: this.#mode(index), from };
  }

  #isFirstName(index: number): boolean {
    return this.#reader.isFile(index) && !this.#names.isFurther(index);
  }

  #isPlain(index: number): boolean {
    const reader = this.#reader;
    if (index === 0) return false;
    return !reader.hasXattrs(index) || !reader.xattrs(index).some(({ name }) => isContentXattr(name));
  }

  /** Links to the files, symbolic links and special files. */
  *rest(): Generator<TreeOp> {
    for (const index of this.#selected.chosen) {
      if (this.#reader.isFolder(index)) continue;
      const op = this.#reader.isFile(index) ? this.#hardlink(index) : this.#special(index);
      if (op !== undefined) yield op;
    }
  }

  #hardlink(index: number): TreeOp | undefined {
    const first = this.#names.firstOf(index);
    if (first === undefined) return undefined;
    const { path, existing } = this.#common(index);
    return { path, existing, type: "hardlink", to: this.#path(first) };
  }

  #special(index: number): TreeOp {
    const reader = this.#reader;
    if (reader.isSymlink(index))
      return { ...this.#common(index), type: "symlink", target: reader.target(index) };
    const kind = NODE_KINDS.get(reader.mode(index) & S_IFMT);
    if (kind === undefined) throw new Error(`assertion failed: unknown file type of ${reader.path(index)}`);
    const device = { major: reader.rdevMajor(index), minor: reader.rdevMinor(index) };
    return { ...this.#common(index), type: "node", kind, mode: this.#mode(index), ...device };
  }

  /**
   * Folder times, innermost first: making children moves them. The folder that contents are copied into is among them, though nothing
   * else of it is taken over: its time would otherwise be that of the build, and no two builds made the same layer.
   */
  *times(): Generator<TreeOp> {
    const { chosen } = this.#selected;
    for (let at = chosen.length - 1; at >= 0; at--) {
      const index = chosen[at] as number;
      if (!this.#reader.isFolder(index)) continue;
      const mtimeNs = this.#style.mtimeNs ?? this.#reader.mtimeNs(index);
      yield { path: this.#path(index) || ".", existing: "replace", type: "times", mtimeNs };
    }
  }
}
