import { closeSync, fstatSync, open, read } from "node:fs";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import { type CommandIo, inputBytes } from "../io.ts";

const readAt = promisify(read);

/** Large reads: the archive goes through a decompressor, which likes few and long chunks. */
const READ_BYTES = 512 * 1024;

/** One memory for all chunks: of new ones, 64 MiB of dead ones pile up. */
async function* chunksOf(fd: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  try {
    while (true) {
      const { bytesRead } = await readAt(fd, buffer, 0, READ_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    closeSync(fd);
  }
}

/**
 * The bytes of a file; `-` is standard input, which is no terminal. The memory of a chunk is used again when the next one is asked for.
 * Throws TSB_CONTEXT, TSB_USAGE.
 */
export async function readArchive(file: string, io: CommandIo): Promise<AsyncIterable<Uint8Array>> {
  if (file !== "-") {
    // No FileHandle: one that a failed command never came to read would end the process when it is collected.
    const fd = await promisify(open)(file, "r").catch((cause: unknown) => {
      throw new TsbuildError("TSB_CONTEXT", `${file} cannot be read`, { cause });
    });
    if (fstatSync(fd).isDirectory()) {
      closeSync(fd);
      throw new TsbuildError("TSB_CONTEXT", `${file} is a folder, not a file`, {
        hint: `tar -C ${file} -c . makes one of it`,
      });
    }
    return chunksOf(fd);
  }
  if (io.stdin.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "standard input is a terminal: nothing is piped in");
  }
  return inputBytes(io.stdin, io.signal);
}
