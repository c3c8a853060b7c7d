import { PlainPacking, type TreeEntry, TreeReader } from "@tsbuild/native-fs";
import { release } from "../memory.ts";
import type { FileRange, TarEntry, TarEntryType, TarPieceMember } from "../tar/entry.ts";
import { tarEnd, writeTarMembers, writeTarPieces } from "../tar/writer.ts";
import { changed, type PlannedMember, type ReadCalls, SMALL_BYTES, withContents } from "./contents.ts";
import { isImageXattr, isOpaque, isWhiteout, OPAQUE_NAME, WHITEOUT_PREFIX } from "./whiteout.ts";

export interface PackOptions {
  readonly fs: ReadCalls;
  /** Later times become this one (X020: SOURCE_DATE_EPOCH with rewrite-timestamp). */
  readonly maxMtimeNs?: bigint | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The memory of a chunk is used again when the next one is asked for (see `WriteTarOptions`). */
  readonly reuse?: boolean | undefined;
  /** The walk of the whole tree with xattrs, where the caller has it already. Its memory is given back. */
  readonly walked?: Buffer | undefined;
  /** Told of each entry that an image layer cannot hold. */
  readonly onSkipped?: ((path: string, why: string) => void) | undefined;
}

/** What tells a layer's tar from that of a plain tree. */
interface Form {
  readonly whiteouts: boolean;
}

/** What the addon fills at once. */
const CHUNK_BYTES = 256 * 1024;

const S_IFMT = 0o170000;
const TYPES: ReadonlyMap<number, TarEntryType> = new Map([
  [0o100000, "file"],
  [0o040000, "folder"],
  [0o120000, "symlink"],
  [0o020000, "char"],
  [0o060000, "block"],
  [0o010000, "fifo"],
]);

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function siblingPath(path: string, name: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1) + name;
}

/** Without a time: that of a whiteout is the time of the removal, and the bytes of a layer should not tell it. */
function marker(path: string): TarEntry {
  return { path, type: "file", mode: 0, uid: 0, gid: 0, size: 0, mtimeNs: 0n };
}

function isBelow(path: string, folder: string | undefined): boolean {
  return folder !== undefined && path.startsWith(`${folder}/`);
}

/** Turns tree entries into tar entries: one object packs one tree, in the order of the walk. */
class TreePacker {
  readonly #options: Pick<PackOptions, "maxMtimeNs" | "onSkipped">;
  readonly #form: Form;
  /** First path of each inode with several names. */
  readonly #linked = new Map<string, string>();
  /** The opaque folder that we are in: nothing of the layers below shows there, so its whiteouts say nothing. */
  #opaque: string | undefined;
  /** The folder left out that we are in. */
  #skipped: string | undefined;

  constructor(options: Pick<PackOptions, "maxMtimeNs" | "onSkipped">, form: Form) {
    this.#options = options;
    this.#form = form;
  }

  #mtime(entry: TreeEntry): bigint {
    const max = this.#options.maxMtimeNs;
    return max !== undefined && entry.mtimeNs > max ? max : entry.mtimeNs;
  }

  /** The tar entries that say `tree`: none for what tar cannot hold, two for an opaque folder. */
  entries(tree: TreeEntry): TarEntry[] {
    // As containerd: the root has no entry of its own; its metadata is the base image's affair.
    if (tree.path === "") return [];
    if (isWhiteout(tree)) return this.#form.whiteouts ? this.#whiteout(tree) : [];
    if (this.#form.whiteouts) {
      if (isBelow(tree.path, this.#skipped)) return [];
      if (baseName(tree.path).startsWith(WHITEOUT_PREFIX)) return this.#skip(tree);
    }
    const type = TYPES.get(tree.mode & S_IFMT);
    // A socket. As with containerd, what it took the place of shows again: whether anything is there only the layers below tell, and a
    // whiteout of nothing is a name that overlayfs lists and does not find.
    if (type === undefined) return [];
    const entry = this.#entry(tree, type);
    return this.#form.whiteouts && type === "folder" && isOpaque(tree)
      ? this.#opaqueFolder(tree, entry)
      : [entry];
  }

  #skip(tree: TreeEntry): TarEntry[] {
    this.#skipped = tree.path;
    const why = `names that begin with ${WHITEOUT_PREFIX} stand for removed files in an image layer`;
    this.#options.onSkipped?.(tree.path, why);
    return [];
  }

  #whiteout(tree: TreeEntry): TarEntry[] {
    if (isBelow(tree.path, this.#opaque)) return [];
    return [marker(siblingPath(tree.path, WHITEOUT_PREFIX + baseName(tree.path)))];
  }

  #opaqueFolder(tree: TreeEntry, entry: TarEntry): TarEntry[] {
    if (isBelow(tree.path, this.#opaque)) return [entry];
    this.#opaque = tree.path;
    // Right behind its folder: readers that apply in order then hide the lower layers before they add to the folder.
    return [entry, marker(`${tree.path}/${OPAQUE_NAME}`)];
  }

  #entry(tree: TreeEntry, type: TarEntryType): TarEntry {
    const xattrs = tree.xattrs?.filter((xattr) => isImageXattr(xattr.name));
    const common = {
      path: tree.path,
      mode: tree.mode & 0o7777,
      uid: tree.uid,
      gid: tree.gid,
      mtimeNs: this.#mtime(tree),
      // On further names of a file too: who unpacks sets the owner for each name, and that drops capabilities.
      xattrs,
    };
    const first = type === "folder" ? undefined : this.#firstName(tree);
    if (first !== undefined) return { ...common, type: "hardlink", size: 0, target: first };
    return {
      ...common,
      type,
      size: type === "file" ? tree.size : 0,
      target: type === "symlink" ? (tree.target ?? "") : undefined,
      major: type === "char" || type === "block" ? tree.rdevMajor : undefined,
      minor: type === "char" || type === "block" ? tree.rdevMinor : undefined,
    };
  }

  /** Where the same inode was packed before; names are relative to the root of the archive (docker refuses others). */
  #firstName(tree: TreeEntry): string | undefined {
    if (tree.nlink < 2) return undefined;
    const inode = `${tree.dev}:${tree.ino}`;
    const first = this.#linked.get(inode);
    if (first === undefined) this.#linked.set(inode, tree.path);
    return first;
  }
}

/** What each entry of a walked tree packs to: it is asked for them in the order of the walk. */
export class MemberPlan {
  readonly #packer: TreePacker;
  readonly #tree: TreeReader;

  constructor(
    tree: TreeReader,
    options: Pick<PackOptions, "maxMtimeNs" | "onSkipped">,
    { whiteouts }: { readonly whiteouts: boolean },
  ) {
    this.#packer = new TreePacker(options, { whiteouts });
    this.#tree = tree;
  }

  path(index: number): string {
    return this.#tree.path(index);
  }

  /** The members of the entries from `first` up to, and without, `end`. */
  *members(first = 0, end = this.#tree.count): Generator<PlannedMember> {
    for (let index = first; index < end; index++) {
      const tree = this.#tree.entry(index);
      for (const entry of this.#packer.entries(tree)) yield { entry, tree };
    }
  }
}

type PieceOptions = PackOptions & {
  /** Large files are left where they are: they come as ranges, unread. */
  readonly ranges?: boolean | undefined;
};

/**
 * Members in turn by the addon, which takes those that leave nothing to decide, and by what is above: the bytes are the same whoever
 * writes them.
 */
async function* inTurn(
  root: number,
  walked: Buffer,
  plan: MemberPlan,
  options: PieceOptions,
): AsyncGenerator<Buffer | FileRange> {
  const { fs, reuse = false, ranges, maxMtimeNs, signal } = options;
  const plain = new PlainPacking(root, walked, {
    maxMtimeNs,
    ...(ranges ? { maxFileBytes: SMALL_BYTES } : {}),
  });
  let chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  try {
    for (let ended = false; !ended; ) {
      signal?.throwIfAborted();
      const step = plain.run(chunk);
      ended = step.ended;
      if (step.changed) throw changed(plan.path(step.first));
      if (step.written > 0) yield chunk.subarray(0, step.written);
      if (step.written > 0 && !reuse) chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const others = withContents(fs, root, plan.members(step.first, step.end), options);
      if (step.first < step.end) yield* writeTarMembers(others, options);
    }
  } finally {
    plain.close();
  }
  yield tarEnd();
}

/**
 * The uncompressed OCI layer tar of one overlayfs layer folder (X018): entries as the walk gives them, parents before children and
 * names in byte order; whiteouts and opaque folders as `.wh.` members. Equal folders give equal bytes. `root`: descriptor of
 * the layer folder. Holds a few MiB, and about 200 bytes per entry.
 */
export function packLayer(root: number, options: PackOptions): AsyncGenerator<Buffer> {
  // Without `ranges` there are none.
  return packLayerPieces(root, options) as AsyncGenerator<Buffer>;
}

/** The same with the large files left where they are when `ranges` is set. */
export async function* packLayerPieces(
  root: number,
  options: PieceOptions,
): AsyncGenerator<Buffer | FileRange> {
  const walked = options.walked ?? (await options.fs.walk(root, "", { xattrs: true }));
  const plan = new MemberPlan(new TreeReader(walked), options, { whiteouts: true });
  yield* inTurn(root, walked, plan, options);
  release(walked);
}

async function* treeMembers(root: number, options: PackOptions): AsyncGenerator<TarPieceMember> {
  const { fs, signal } = options;
  const walked = options.walked ?? (await fs.walk(root, "", { xattrs: true }));
  const plan = new MemberPlan(new TreeReader(walked), options, { whiteouts: false });
  for await (const member of withContents(fs, root, plan.members(), options)) {
    signal?.throwIfAborted();
    yield member;
  }
  release(walked);
}

/** The same of a plain tree (X015): whiteouts that nothing lies below are left out, and every name is a name. */
export function packTree(root: number, options: PackOptions): AsyncGenerator<Buffer> {
  return writeTarPieces(treeMembers(root, options), options) as AsyncGenerator<Buffer>;
}
