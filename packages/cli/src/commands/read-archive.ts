import { closeSync, createReadStream, fstatSync, open } from "node:fs";
import { promisify } from "node:util";
import { TsbuildError } from "@tsbuild/base";
import { type CommandIo, inputBytes } from "../io.ts";

/** Large reads: the archive goes through a decompressor, which likes few and long chunks. */
const READ_BYTES = 1024 * 1024;

/** The bytes of a file; `-` is standard input, which is no terminal. Throws TSB_CONTEXT, TSB_USAGE. */
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
    return createReadStream(file, { fd, highWaterMark: READ_BYTES });
  }
  if (io.stdin.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "standard input is a terminal: nothing is piped in");
  }
  return inputBytes(io.stdin, io.signal);
}
