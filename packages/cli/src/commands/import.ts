import { open } from "node:fs/promises";
import { TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import { type CommandIo, inputBytes } from "../io.ts";

/** `tsbuild import FILE|- NAME`: prints the image ID. */
export async function importImage(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [file, name, ...surplus] = flags.operands;
  if (file === undefined || name === undefined || surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", "import needs an archive and a name", {
      hint: "tsbuild import rootfs.tar.gz debian:bookworm",
    });
  }
  const source = await archive(file, io);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const changes = flags.all("change");
    const result = await engine.importImage({ source, name, changes, signal: io.signal });
    const id = result.imageId ?? result.manifest;
    if (id !== undefined) io.stdout.write(`${id}\n`);
    return 0;
  } finally {
    await engine.close();
  }
}

/** Large reads: the archive goes through a decompressor, which likes few and long chunks. */
const READ_BYTES = 1024 * 1024;

async function archive(file: string, io: CommandIo): Promise<AsyncIterable<Uint8Array>> {
  if (file !== "-") {
    const handle = await open(file).catch((cause: unknown) => {
      throw new TsbuildError("TSB_CONTEXT", `the archive ${file} cannot be read`, { cause });
    });
    return handle.createReadStream({ highWaterMark: READ_BYTES });
  }
  if (io.stdin.isTTY === true) {
    throw new TsbuildError("TSB_USAGE", "standard input is a terminal: no archive is piped in");
  }
  return inputBytes(io.stdin, io.signal);
}
