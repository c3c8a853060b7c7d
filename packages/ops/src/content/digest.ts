import type { Digest } from "@tsbuild/base";
import { StreamHash, type TreeReader } from "@tsbuild/native-fs";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

export function isRegular(entry: { readonly mode: number }): boolean {
  return (entry.mode & S_IFMT) === S_IFREG;
}

/** Attributes that belong to the content of a file: what users set, and file capabilities (V015). */
export function isContentXattr(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}

/** One matched source: its name and the chosen entries of its walk. */
export interface DigestRoot {
  /** Base name; part of the key, since COPY puts a file under its name (D114). "" when only contents are taken. */
  readonly name: string;
  readonly reader: TreeReader;
  /** Indexes into the walk, ascending. */
  readonly chosen: Uint32Array;
  /** sha256 of the data of a regular file, by index. */
  readonly dataOf: (index: number) => Uint8Array;
}

/**
 * Digest of chosen files (D114, V015). In: path, type, mode, owner, size, link target, device, xattrs, data. Out: mtime and ctime
 * (a touch must not rebuild), inode and link count (a copy of the tree is the same content). Every field is length-framed: a file
 * name can never swallow its neighbour.
 *
 * `ownerless`: the files come from a local context, where COPY gives everything to 0:0 (D100).
 */
export function digestRoot(root: DigestRoot, options: { readonly ownerless: boolean }): Digest {
  const { reader, chosen } = root;
  const hash = new BatchedHash();
  hash.text(`root ${framed(root.name)} ${chosen.length}\n`);
  for (const index of chosen) {
    hash.text(headerOf(reader, index, options.ownerless));
    if (reader.isFile(index)) hash.bytes(root.dataOf(index));
    if (!reader.hasXattrs(index)) continue;
    for (const { name, value } of reader.xattrs(index)) {
      if (!isContentXattr(name)) continue;
      hash.text(`x ${framed(name)} ${value.length}:`);
      hash.bytes(value);
    }
  }
  return hash.digest();
}

const BATCH_BYTES = 64 * 1024;

let batch: Buffer | undefined;

/**
 * sha256 of many small pieces: a call of `update` costs more than hashing a hundred bytes. One at a time, as all use the same memory. By the addon:
 * Node's own takes 5 ms to load, which this thread has not while sixteen steps wait for it.
 */
class BatchedHash {
  readonly #hash = new StreamHash();
  readonly #batch: Buffer;
  #used = 0;

  constructor() {
    batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#batch = batch;
  }

  text(text: string): void {
    // No character takes more than three bytes.
    if (text.length * 3 > BATCH_BYTES - this.#used) this.#flush();
    if (text.length * 3 > BATCH_BYTES) this.#hash.update(Buffer.from(text));
    else this.#used += this.#batch.write(text, this.#used);
  }

  bytes(bytes: Uint8Array): void {
    if (bytes.length > BATCH_BYTES - this.#used) this.#flush();
    if (bytes.length > BATCH_BYTES) this.#hash.update(bytes);
    else {
      this.#batch.set(bytes, this.#used);
      this.#used += bytes.length;
    }
  }

  digest(): Digest {
    this.#flush();
    return `sha256:${this.#hash.digest()}` as Digest;
  }

  #flush(): void {
    this.#hash.update(this.#batch.subarray(0, this.#used));
    this.#used = 0;
  }
}

function framed(text: string): string {
  return `${text.length}:${text}`;
}

function headerOf(reader: TreeReader, index: number, ownerless: boolean): string {
  const owner = ownerless ? "0:0" : `${reader.uid(index)}:${reader.gid(index)}`;
  // The size of a folder is an accident of the file system.
  const size = reader.isFile(index) ? reader.size(index) : 0;
  const target = reader.isSymlink(index) ? framed(reader.target(index)) : "-";
  const device = `${reader.rdevMajor(index)}:${reader.rdevMinor(index)}`;
  return `e ${framed(reader.path(index))} ${reader.mode(index)} ${owner} ${size} ${target} ${device}\n`;
}
