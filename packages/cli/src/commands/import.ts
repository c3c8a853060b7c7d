import { TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import type { CommandIo } from "../io.ts";
import { readArchive } from "./read-archive.ts";

/** `tsbuild import FILE|- NAME`: prints the image ID. */
export async function importImage(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [file, name, ...surplus] = flags.operands;
  if (file === undefined || name === undefined || surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", "import needs an archive and a name", {
      hint: "tsbuild import rootfs.tar.gz debian:bookworm",
    });
  }
  const source = await readArchive(file, io);
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
