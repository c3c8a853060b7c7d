import { closeSync, constants, fstatSync, readSync, writeSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { ReadAt } from "./languages/elf.ts";

export interface RootFilesOptions {
  readonly fs: Pick<NativeFs, "openInRoot" | "readFileInRoot" | "listInRoot" | "walk">;
  /** Descriptor of the root of the filesystem. */
  readonly root: number;
}

const COPY_CHUNK_BYTES = 1024 * 1024;

/** What there is to say when a file is too large to be looked at. */
export class TooLargeError extends Error {}

/** Regular files below a root. The kernel resolves the paths in it, whatever links are on the way. */
export class RootFiles {
  readonly #fs: RootFilesOptions["fs"];
  readonly #root: number;

  constructor({ fs, root }: RootFilesOptions) {
    this.#fs = fs;
    this.#root = root;
  }

  /** The whole file; undefined when there is none. Throws TooLargeError. */
  read(path: string, maxBytes: number): Buffer | undefined {
    try {
      return this.#fs.readFileInRoot(this.#root, path, maxBytes);
    } catch (error) {
      if (errnoCode(error) === "EFBIG") throw new TooLargeError(`it is larger than ${maxBytes} bytes`);
      if (isNothingThere(error)) return undefined;
      throw error;
    }
  }

  /** Names in a folder; none when it is no folder. */
  list(path: string): string[] {
    try {
      return this.#fs.listInRoot(this.#root, path);
    } catch (error) {
      if (isNothingThere(error)) return [];
      throw error;
    }
  }

  walk(skip: readonly string[]): Promise<Buffer> {
    return this.#fs.walk(this.#root, "", { xattrs: false, skip: { paths: skip, names: [] } });
  }

  /** Reads parts of a file with `use`. A link in the last component is not followed: every file is met once. */
  withFile<T>(path: string, use: (readAt: ReadAt) => T): T {
    const fd = this.#open(path, constants.O_NOFOLLOW);
    try {
      return use((offset, length) => readRange(fd, offset, length));
    } finally {
      closeSync(fd);
    }
  }

  /** Copies a file to a descriptor of the host. False when there is none. Throws TooLargeError. */
  copy(path: string, target: number, maxBytes: number): boolean {
    let fd: number;
    try {
      fd = this.#open(path, 0);
    } catch (error) {
      if (isNothingThere(error)) return false;
      throw error;
    }
    try {
      if (!fstatSync(fd).isFile()) return false;
      copyBounded(fd, target, maxBytes);
      return true;
    } finally {
      closeSync(fd);
    }
  }

  #open(path: string, flags: number): number {
    return this.#fs.openInRoot(this.#root, path, constants.O_RDONLY | constants.O_NONBLOCK | flags, 0);
  }
}

function isNothingThere(error: unknown): boolean {
  return ["ENOENT", "ENOTDIR", "ELOOP", "EISDIR", "EINVAL", "ENXIO"].includes(errnoCode(error) ?? "");
}

function readRange(fd: number, offset: number, length: number): Buffer {
  if (!Number.isSafeInteger(offset) || length <= 0) return Buffer.alloc(0);
  // What a table claims is often more than the file has: only that much memory is taken.
  const there = Math.max(0, Math.min(length, fstatSync(fd).size - offset));
  const buffer = Buffer.alloc(there);
  let done = 0;
  while (done < there) {
    const count = readSync(fd, buffer, done, there - done, offset + done);
    if (count === 0) break;
    done += count;
  }
  return buffer.subarray(0, done);
}

function copyBounded(from: number, to: number, maxBytes: number): void {
  const chunk = Buffer.allocUnsafe(COPY_CHUNK_BYTES);
  let copied = 0;
  for (let count = readSync(from, chunk); count > 0; count = readSync(from, chunk)) {
    copied += count;
    if (copied > maxBytes) throw new TooLargeError(`it is larger than ${maxBytes} bytes`);
    for (let done = 0; done < count; ) done += writeSync(to, chunk, done, count - done);
  }
}
