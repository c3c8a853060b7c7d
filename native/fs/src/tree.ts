import type { TreeEntry, Xattr } from "./api.ts";
import { decodeName } from "./names.ts";
import { joinTime } from "./time.ts";

const HEADER_BYTES = 16;
const RECORD_BYTES = 104;
const MODE_AT = 12;
const NAME_IS_BYTES = 1;
const TARGET_IS_BYTES = 2;
const NO_PARENT = 0xffff_ffff;
const S_IFMT = 0o170000;

/** Gives the entries of a walk other permission bits, in place; their types stay. */
export function rewriteModes(walk: Buffer, change: (mode: number) => number): void {
  for (let at = HEADER_BYTES; at < walk.length; at += walk.readUInt32LE(at)) {
    const mode = walk.readUInt32LE(at + MODE_AT);
    walk.writeUInt32LE((mode & S_IFMT) | (change(mode) & ~S_IFMT), at + MODE_AT);
  }
}

/**
 * Reads what `walk` returned without making an object per entry. Entry 0 is the walked path itself; an index is in the order of the
 * walk: depth first, names in byte order. The format is described in core/walk.h.
 */
export class TreeReader {
  readonly count: number;
  readonly #buffer: Buffer;
  readonly #view: DataView;
  /** Where each record starts; a tree has far fewer than 2^53 bytes. */
  readonly #offsets: Float64Array;
  #newestCtimeNs: bigint | undefined;
  /** Paths of folders, made when first asked for. */
  readonly #folders = new Map<number, string>();

  constructor(buffer: Buffer) {
    if (buffer.length < HEADER_BYTES || buffer.toString("latin1", 0, 8) !== "TSBWALK1") {
      throw new TypeError("not the result of a walk");
    }
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    this.count = this.#view.getUint32(8, true);
    this.#offsets = new Float64Array(this.count);
    let at = HEADER_BYTES;
    for (let index = 0; index < this.count; index++) {
      this.#offsets[index] = at;
      at += this.#view.getUint32(at, true);
    }
    if (at !== buffer.length) throw new TypeError("a walk that is cut off");
  }

  /** What `walk` returned. */
  get bytes(): Buffer {
    return this.#buffer;
  }

  /** Index of the folder that holds the entry; -1 for entry 0. */
  parent(index: number): number {
    const parent = this.#u32(index, 4);
    return parent === NO_PARENT ? -1 : parent;
  }

  /** Index of the first entry that is not below this one: `index + 1` for anything without entries. */
  end(index: number): number {
    return this.#u32(index, 8);
  }

  mode(index: number): number {
    return this.#u32(index, MODE_AT);
  }

  uid(index: number): number {
    return this.#u32(index, 16);
  }

  gid(index: number): number {
    return this.#u32(index, 20);
  }

  nlink(index: number): number {
    return this.#u32(index, 24);
  }

  ino(index: number): bigint {
    return this.#view.getBigUint64(this.#at(index) + 32, true);
  }

  dev(index: number): bigint {
    return this.#view.getBigUint64(this.#at(index) + 40, true);
  }

  size(index: number): number {
    return Number(this.#view.getBigInt64(this.#at(index) + 48, true));
  }

  mtimeNs(index: number): bigint {
    return joinTime(this.#view.getBigInt64(this.#at(index) + 56, true), this.#u32(index, 72));
  }

  ctimeNs(index: number): bigint {
    return joinTime(this.#view.getBigInt64(this.#at(index) + 64, true), this.#u32(index, 76));
  }

  /** The latest of all times of change; 0 for nothing. */
  get newestCtimeNs(): bigint {
    this.#newestCtimeNs ??= this.#findNewest();
    return this.#newestCtimeNs;
  }

  #findNewest(): bigint {
    let newest = -1;
    for (let index = 0; index < this.count; index++)
      if (newest < 0 || this.#isLater(index, newest)) newest = index;
    return newest < 0 ? 0n : this.ctimeNs(newest);
  }

  #isLater(index: number, other: number): boolean {
    const high =
      this.#view.getInt32(this.#at(index) + 68, true) - this.#view.getInt32(this.#at(other) + 68, true);
    const low = this.#u32(index, 64) - this.#u32(other, 64);
    return (high || low || this.#u32(index, 76) - this.#u32(other, 76)) > 0;
  }

  rdevMajor(index: number): number {
    return this.#u32(index, 80);
  }

  rdevMinor(index: number): number {
    return this.#u32(index, 84);
  }

  isFolder(index: number): boolean {
    return (this.mode(index) & S_IFMT) === 0o040000;
  }

  isFile(index: number): boolean {
    return (this.mode(index) & S_IFMT) === 0o100000;
  }

  isSymlink(index: number): boolean {
    return (this.mode(index) & S_IFMT) === 0o120000;
  }

  /** An overlay whiteout: a character device 0:0. */
  isWhiteout(index: number): boolean {
    const isDevice = (this.mode(index) & S_IFMT) === 0o020000;
    return isDevice && this.rdevMajor(index) === 0 && this.rdevMinor(index) === 0;
  }

  /** The last component of the path; "" for entry 0. */
  name(index: number): string {
    const start = this.#at(index) + RECORD_BYTES;
    return this.#text(start, this.#u32(index, 92), (this.#u32(index, 88) & NAME_IS_BYTES) !== 0);
  }

  /** Relative to the walked path, "" for entry 0. */
  path(index: number): string {
    return this.#join(this.parent(index), this.name(index));
  }

  /** Target of a symbolic link; "" for anything else. */
  target(index: number): string {
    const start = this.#at(index) + RECORD_BYTES + this.#u32(index, 92);
    return this.#text(start, this.#u32(index, 96), (this.#u32(index, 88) & TARGET_IS_BYTES) !== 0);
  }

  hasXattrs(index: number): boolean {
    return this.#u32(index, 28) > 0;
  }

  xattrs(index: number): Xattr[] {
    const found: Xattr[] = [];
    let at = this.#at(index) + RECORD_BYTES + this.#u32(index, 92) + this.#u32(index, 96);
    for (let left = this.#u32(index, 28); left > 0; left--) {
      const name = at + 8;
      const value = name + this.#view.getUint32(at, true);
      const end = value + this.#view.getUint32(at + 4, true);
      found.push({
        name: this.#buffer.toString("utf8", name, value),
        value: this.#buffer.subarray(value, end),
      });
      at = end;
    }
    return found;
  }

  /** Everything about an entry, as an object. */
  entry(index: number): TreeEntry {
    return {
      path: this.path(index),
      mode: this.mode(index),
      uid: this.uid(index),
      gid: this.gid(index),
      size: this.size(index),
      mtimeNs: this.mtimeNs(index),
      ctimeNs: this.ctimeNs(index),
      ino: this.ino(index),
      dev: this.dev(index),
      rdevMajor: this.rdevMajor(index),
      rdevMinor: this.rdevMinor(index),
      nlink: this.nlink(index),
      ...(this.isSymlink(index) ? { target: this.target(index) } : {}),
      ...(this.hasXattrs(index) ? { xattrs: this.xattrs(index) } : {}),
    };
  }

  #at(index: number): number {
    const offset = this.#offsets[index];
    if (offset === undefined) throw new RangeError(`no entry ${index} in a walk of ${this.count}`);
    return offset;
  }

  #u32(index: number, field: number): number {
    return this.#view.getUint32(this.#at(index) + field, true);
  }

  #text(start: number, length: number, isBytes: boolean): string {
    const end = start + length;
    return isBytes
      ? decodeName(this.#buffer.subarray(start, end))
      : this.#buffer.toString("utf8", start, end);
  }

  #join(parent: number, name: string): string {
    const folder = parent <= 0 ? "" : this.#folderPath(parent);
    return folder === "" ? name : `${folder}/${name}`;
  }

  /** Upwards to the nearest folder whose path is known, then down again: a loop, since trees may be thousands deep. */
  #folderPath(folder: number): string {
    const chain: number[] = [];
    let at = folder;
    while (at > 0 && !this.#folders.has(at)) {
      chain.push(at);
      at = this.parent(at);
    }
    let path = at > 0 ? this.#folders.get(at)! : "";
    for (const index of chain.reverse()) {
      path = path === "" ? this.name(index) : `${path}/${this.name(index)}`;
      this.#folders.set(index, path);
    }
    return path;
  }
}

/** All entries of a walk, in its order. */
export function* decodeTree(buffer: Buffer): Iterable<TreeEntry> {
  const reader = new TreeReader(buffer);
  for (let index = 0; index < reader.count; index++) yield reader.entry(index);
}
