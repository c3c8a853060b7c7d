import { read } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import type { FileRange, TarPiece } from "./entry.ts";

const readAt = promisify(read);

/** Small enough that progress moves and a cancelled build ends, large enough that a piece costs nothing. */
const PIECE_BYTES = 32 * 1024 * 1024;
const CHUNK_BYTES = 512 * 1024;

/** An open file of known size as ranges. */
export function* fileRanges(fd: number, sizeBytes: number): Generator<FileRange> {
  for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
    yield { fd, offset, length: Math.min(PIECE_BYTES, sizeBytes - offset) };
  }
}

/** A file by its path as ranges; it is open until the last one is done with. */
export async function* rangesOfFile(path: string, sizeBytes: number): AsyncGenerator<FileRange> {
  const file: FileHandle = await open(path, "r");
  try {
    yield* fileRanges(file.fd, sizeBytes);
  } finally {
    await file.close();
  }
}

async function* readRange({ fd, offset, length }: FileRange): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await readAt(fd, buffer, 0, Math.min(buffer.length, length - done), offset + done);
    if (bytesRead === 0) throw new TsbuildError("TSB_STORE", "a file became shorter while it was being read");
    done += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The bytes themselves, for readers who can do nothing with ranges. Memory of chunks is used again when the next is asked for. */
export async function* bytesOf(pieces: AsyncIterable<TarPiece>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece;
    else yield* readRange(piece);
  }
}
