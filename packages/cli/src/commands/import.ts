import { TsbuildError } from "@tsbuild/base";
import type { ParsedFlags } from "../flags/parse.ts";
import { parsePlatform } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { readArchive } from "./read-archive.ts";

/** `tsbuild import FILE|- [NAME]`: prints the image ID. */
export async function importImage(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [file, name, ...surplus] = flags.operands;
  if (file === undefined || surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", "import takes an archive and a name", {
      hint: "tsbuild import rootfs.tar.gz debian:bookworm",
    });
  }
  if (/^https?:\/\//i.test(file)) {
    throw new TsbuildError("TSB_USAGE", "import downloads nothing", {
      hint: `curl -fL ${file} | tsbuild import - ${name ?? "NAME"}`,
    });
  }
  const platformText = flags.last("platform");
  const platform = platformText === undefined ? undefined : parsePlatform(platformText);
  const source = await readArchive(file, io);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const changes = flags.all("change");
    const message = flags.last("message");
    const asked = { source, name, changes, platform, message, signal: io.signal };
    const result = await engine.importImage(asked);
    const id = result.imageId ?? result.manifest;
    if (id !== undefined) io.stdout.write(`${id}\n`);
    return 0;
  } finally {
    await engine.close();
  }
}
