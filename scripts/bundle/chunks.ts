import { basename } from "node:path";
import { build, transform } from "esbuild";
import { directImports } from "./direct-imports.ts";
import { escapeNonAscii, loadedApart, sharedOptions } from "./options.ts";

/** A piece of the program: modules that are always needed together, as the body of a CommonJS function. */
export interface Chunk {
  /** What other chunks ask for, as in `require("./x.chunk.js")`. */
  readonly id: string;
  readonly text: string;
}

/**
 * Splits the program at its `import()`s. Only ES modules can be split, but as such every import of a Node module would be loaded at the start,
 * and so would a file for each piece; so the pieces become functions, several to a file (packs.ts).
 */
export async function programChunks(entry: string, apart: Map<string, string>): Promise<readonly Chunk[]> {
  const { outputFiles } = await build({
    ...sharedOptions,
    entryPoints: [entry],
    outdir: "/",
    write: false,
    splitting: true,
    format: "esm",
    entryNames: "[name].chunk",
    chunkNames: "[name]-[hash].chunk",
    plugins: [loadedApart(apart), directImports()],
  });
  return Promise.all(outputFiles.map(({ path, text }) => asFunctionBody(`./${basename(path)}`, text)));
}

async function asFunctionBody(id: string, text: string): Promise<Chunk> {
  const { code } = await transform(text, {
    format: "cjs",
    platform: "node",
    target: sharedOptions.target,
    supported: { "dynamic-import": false },
    minify: true,
  });
  return { id, text: escapeNonAscii(code) };
}
