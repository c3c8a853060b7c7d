import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { type FileHandle, lstat, open, readdir, readlink, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { makeFolders, nativeFs } from "@tsbuild/native-fs";
import { bytesOf, copied, type TarPiece } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";

/** What a failure to write an output means to the user. Errors that are not the system's pass as they are. */
export function exportFailure(error: unknown, path: string): unknown {
  const code = errnoCode(error);
  if (error instanceof TsbuildError || code === undefined || !(error instanceof Error)) return error;
  if (error.name === "AbortError") return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new TsbuildError("TSB_DISK_FULL", `no space left to write ${path}`, {
      hint: "free some space or choose another dest=",
      cause: error,
    });
  }
  const { path: place = path, syscall } = error as NodeJS.ErrnoException;
  const folder = syscall === "scandir" ? place : dirname(resolve(place));
  const hints: Readonly<Record<string, string>> = {
    ENOENT: existsSync(folder)
      ? `nothing can be made in ${folder}: choose another place`
      : `make the folder first: mkdir -p ${folder}`,
    EEXIST: "it is a file: name a folder, or move the file away",
    ENOTDIR: "a part of the path is a file: choose another place",
    EACCES: "choose a dest= that you may write to",
    EROFS: "the file system is mounted read-only",
    EFBIG: "a limit on the size of files is set (ulimit -f), or the file system takes none so large",
    EISDIR: "it is a folder: name a file",
  };
  return new TsbuildError("TSB_EXPORT", `cannot write ${path}: ${error.message}`, {
    hint: hints[code],
    cause: error,
  });
}

async function statOf(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function toStdout(
  stream: AsyncIterable<TarPiece>,
  stdout: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<void> {
  if ("isTTY" in stdout && stdout.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "refusing to write an archive to the terminal", {
      hint: "redirect standard output, or give dest=FILE",
    });
  }
  // Others' streams keep chunks for as long as they like.
  await pipeline(Readable.from(copied(bytesOf(stream))), stdout, { signal, end: false });
}

async function writeAll(file: FileHandle, chunk: TarPiece): Promise<void> {
  if (!(chunk instanceof Uint8Array)) return nativeFs.sendRange(file.fd, chunk);
  for (let at = 0; at < chunk.length; ) {
    at += (await file.write(chunk, at, chunk.length - at)).bytesWritten;
  }
}

/** Done with a chunk before the next is asked for: their memory is used again. */
async function writeStream(
  stream: AsyncIterable<TarPiece>,
  file: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of stream) {
      signal.throwIfAborted();
      await writeAll(file, chunk);
    }
  } finally {
    await file.close();
  }
}

/**
 * Written under another name beside the target and renamed, so that there is the whole file or what was there before. The lock on it tells
 * others that its writer lives: what a killed one left is removed by the next export to the same target, or the next use of its state folder.
 */
async function toFile(
  stream: AsyncIterable<TarPiece>,
  path: string,
  { signal, store }: ArchiveOptions,
): Promise<void> {
  const target = await linkTarget(resolve(path));
  await removeStale(target);
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(6).toString("hex")}.tmp`);
  store?.removeIfKilled(temporary);
  const file = await open(temporary, "wx");
  const lock = nativeFs.tryLock(temporary, "exclusive");
  try {
    await writeStream(stream, file, signal);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { force: true });
    if (lock !== undefined) nativeFs.close(lock);
  }
}

const MAX_LINKS = 40;

/** Where a link leads, also when nothing is there yet: it is written through, as by every other program. */
export async function linkTarget(path: string): Promise<string> {
  let at = path;
  for (let followed = 0; followed < MAX_LINKS; followed++) {
    const found = await lstat(at).catch(() => undefined);
    if (found?.isSymbolicLink() !== true) return at;
    at = resolve(dirname(at), await readlink(at));
  }
  return path;
}

/** Temporary files of writers that were killed. */
async function removeStale(target: string): Promise<void> {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !/^[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) continue;
    const file = join(folder, name);
    const found = await lstat(file).catch(() => undefined);
    if (found?.isFile() !== true) continue;
    const lock = nativeFs.tryLock(file, "exclusive");
    if (lock === undefined) continue;
    await rm(file, { force: true });
    nativeFs.close(lock);
  }
}

export interface ArchiveOptions {
  readonly signal: AbortSignal;
  /** Default process.stdout. */
  readonly stdout?: NodeJS.WritableStream | undefined;
  readonly store?: Pick<Store, "removeIfKilled"> | undefined;
}

/**
 * Writes an archive, whose chunks may be memory that is used again, to a file or, for `-`, to standard output. Existing devices and pipes are written to, files replaced when all is
 * there. Throws TSB_EXPORT naming the path, TSB_DISK_FULL, TSB_USAGE for a terminal.
 */
export async function writeArchive(
  stream: AsyncIterable<TarPiece>,
  dest: string | undefined,
  options: ArchiveOptions,
): Promise<void> {
  const { signal, stdout = process.stdout } = options;
  if (dest === undefined || dest === "" || dest === "-") {
    await toStdout(stream, stdout, signal);
    return;
  }
  try {
    const there = await statOf(dest);
    if (there?.isDirectory() === true) {
      throw new TsbuildError("TSB_EXPORT", `cannot write ${dest}: it is a folder`, {
        hint: "name a file: dest=DIR/NAME.tar (type=oci writes a folder with tar=false)",
      });
    }
    if (there !== undefined && !there.isFile()) {
      await writeStream(stream, await open(dest, "w"), signal);
    } else await toFile(stream, dest, options);
  } catch (error) {
    throw exportFailure(error, dest);
  }
}

/** Makes sure that `dest` is a folder; what is in it stays. */
export async function makeFolder(dest: string): Promise<void> {
  try {
    makeFolders(dest);
  } catch (error) {
    throw exportFailure(error, dest);
  }
}
