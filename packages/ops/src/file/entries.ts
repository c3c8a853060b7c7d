import type { TreeEntry, TreeOp, Xattr } from "@tsbuild/native-fs";
import type { Selected } from "../content/content-key.ts";
import { isContentXattr } from "../content/digest.ts";
import { rootPath } from "../content/scan.ts";
import type { ModeChange } from "./mode.ts";
import type { Ownership } from "./owner.ts";
import { join } from "./target.ts";

const S_IFMT = 0o170000;
type Kind = "folder" | "file" | "symlink" | "fifo" | "char" | "block" | "socket";
const KINDS: ReadonlyMap<number, Kind> = new Map([
  [0o040000, "folder"],
  [0o100000, "file"],
  [0o120000, "symlink"],
  [0o010000, "fifo"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o140000, "socket"],
]);

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

/** The ops of one copied source, in the phases in which they can be done: each may rely on the ones before. */
export interface CopyOps {
  readonly folders: TreeOp[];
  /** Independent of each other. */
  readonly files: (TreeOp & { readonly type: "copy" })[];
  /** The scanned entry of each of `files`. */
  readonly fileEntries: TreeEntry[];
  readonly others: TreeOp[];
  /** Folder times, innermost first: making children moves them. */
  readonly times: TreeOp[];
}

function xattrsOf(entry: TreeEntry): readonly Xattr[] | undefined {
  const kept = entry.xattrs?.filter((xattr) => isContentXattr(xattr.name));
  return kept === undefined || kept.length === 0 ? undefined : kept;
}

/** Turns the entries of a source into the ops that recreate them at `target`. */
export function copyOps(selected: Selected, target: string, style: CopyStyle): CopyOps {
  const ops: CopyOps = { folders: [], files: [], fileEntries: [], others: [], times: [] };
  // First path of each file with several names, so that they stay one file (D102).
  const linked = new Map<string, string>();
  for (const entry of selected.entries) addEntry({ ops, selected, target, style, linked }, entry);
  ops.times.reverse();
  return ops;
}

interface Accumulator {
  readonly ops: CopyOps;
  readonly selected: Selected;
  readonly target: string;
  readonly style: CopyStyle;
  readonly linked: Map<string, string>;
}

function metadataOf(entry: TreeEntry, style: CopyStyle) {
  const owner = style.owner ?? (style.ownerless ? { uid: 0, gid: 0 } : { uid: entry.uid, gid: entry.gid });
  const mtimeNs = style.mtimeNs ?? entry.mtimeNs;
  return { ...owner, mtimeNs };
}

function addEntry(acc: Accumulator, entry: TreeEntry): void {
  const { ops, selected, target, style } = acc;
  const path = join(target, entry.path);
  const kind = KINDS.get(entry.mode & S_IFMT);
  const mode = style.mode === undefined ? entry.mode & 0o7777 : style.mode(entry.mode);
  const metadata = metadataOf(entry, style);
  const common = {
    path,
    existing: style.replace ? ("replace" as const) : ("copy" as const),
    xattrs: xattrsOf(entry),
  };
  switch (kind) {
    case "folder":
      // The folder that contents are copied into keeps its own metadata (D097, D098).
      if (entry.path === "") return;
      ops.folders.push({ ...common, ...metadata, type: "folder", mode });
      ops.times.push({ path, existing: "replace", type: "times", mtimeNs: metadata.mtimeNs });
      return;
    case "file":
      addFile(acc, entry, {
        ...common,
        ...metadata,
        type: "copy",
        mode,
        from: rootPath(selected.located, entry),
      });
      return;
    case "symlink":
      ops.others.push({ ...common, ...metadata, type: "symlink", target: entry.target ?? "" });
      return;
    case undefined:
      throw new Error(`assertion failed: unknown file type ${entry.mode.toString(8)} of ${path}`);
    default:
      ops.others.push({
        ...common,
        ...metadata,
        type: "node",
        kind,
        mode,
        major: entry.rdevMajor,
        minor: entry.rdevMinor,
      });
  }
}

function addFile(acc: Accumulator, entry: TreeEntry, op: TreeOp & { readonly type: "copy" }): void {
  if (entry.nlink > 1) {
    const id = `${entry.dev}:${entry.ino}`;
    const first = acc.linked.get(id);
    if (first !== undefined) {
      acc.ops.others.push({ path: op.path, existing: op.existing, type: "hardlink", to: first });
      return;
    }
    acc.linked.set(id, op.path);
  }
  acc.ops.files.push(op);
  acc.ops.fileEntries.push(entry);
}
