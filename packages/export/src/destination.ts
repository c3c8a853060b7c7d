import { existsSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { makeFolders, nativeFs } from "@tsbuild/native-fs";
import { bytesOf, copied, LENT_TO_READABLE, lent, type TarPiece } from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";
import type { ArchiveDraft } from "./draft.ts";
import { NewFile } from "./new-file.ts";

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
  // A stream of the caller's may keep what it is given for as long as it likes.
  const bytes = stdout === process.stdout ? lent(bytesOf(stream)) : copied(bytesOf(stream));
  await pipeline(Readable.from(bytes, LENT_TO_READABLE), stdout, { signal, end: false });
}

/** Writes the piece to where the file stands, or to the place `at` of it. */
async function writePiece(file: FileHandle, piece: TarPiece, at?: number): Promise<void> {
  if (!(piece instanceof Uint8Array)) return nativeFs.sendRange(file.fd, piece, at);
  for (let done = 0; done < piece.length; ) {
    const place = at === undefined ? null : at + done;
    done += (await file.write(piece, done, piece.length - done, place)).bytesWritten;
  }
}

/** Done with a chunk before the next is asked for: their memory is used again. */
async function writeStream(
  stream: AsyncIterable<TarPiece>,
  file: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of stream) {
    signal.throwIfAborted();
    await writePiece(file, piece);
  }
}

/** A device or a pipe that is there. */
async function toDevice(stream: AsyncIterable<TarPiece>, path: string, signal: AbortSignal): Promise<void> {
  const file = await open(path, "w");
  try {
    await writeStream(stream, file, signal);
  } finally {
    await file.close();
  }
}

async function toFile(
  stream: AsyncIterable<TarPiece>,
  path: string,
  { signal, store }: ArchiveOptions,
): Promise<void> {
  const file = await NewFile.make(path, store);
  try {
    await writeStream(stream, file.handle, signal);
    await file.publish();
  } finally {
    await file.drop();
  }
}

/** Whoever made the draft drops it. */
async function toDraft(
  stream: AsyncIterable<TarPiece>,
  draft: ArchiveDraft,
  signal: AbortSignal,
): Promise<void> {
  const { handle } = draft.file;
  let at = 0;
  for await (const piece of stream) {
    signal.throwIfAborted();
    if (!(await draft.holds(piece, at))) await writePiece(handle, piece, at);
    at += piece.length;
  }
  await handle.truncate(at);
  await draft.file.publish();
}

export interface ArchiveOptions {
  readonly signal: AbortSignal;
  /** Default process.stdout. */
  readonly stdout?: NodeJS.WritableStream | undefined;
  readonly store?: Pick<Store, "removeIfKilled"> | undefined;
  /** What is in place already of the archive that goes to `dest`. */
  readonly draft?: ArchiveDraft | undefined;
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
  const { signal, stdout = process.stdout, draft } = options;
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
    if (draft !== undefined) await toDraft(stream, draft, signal);
    else if (there !== undefined && !there.isFile()) await toDevice(stream, dest, signal);
    else await toFile(stream, dest, options);
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
