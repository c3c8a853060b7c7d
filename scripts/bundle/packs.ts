import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pack } from "../../packages/cli/src/boot/program.ts";
import type { Chunk } from "./chunks.ts";

/** Writes chunks into one file, whose name says what is in it. */
export async function writePack(dist: string, name: string, chunks: readonly Chunk[]): Promise<Pack> {
  const text = packText(chunks);
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const full = `${name}-${digest}`;
  await writeFile(join(dist, `${full}.js`), text);
  return { name: full, chunks: chunks.map(({ id }) => id) };
}

/** As packages/cli/src/boot/program.ts takes it. */
function packText(chunks: readonly Chunk[]): string {
  const functions = chunks.map(
    ({ id, text }) => `${JSON.stringify(id)}:function(require,exports,module){${text}}`,
  );
  return `(function(bundleUrl,__filename,__dirname){return{\n${functions.join(",\n")}}})`;
}
