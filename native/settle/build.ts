/** Builds tsbuild-settle: one C file, and what the addon has for removing trees; one static program. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, compileProgram, defaultOutDir } from "../compile.ts";

const core = fileURLToPath(new URL("../fs/core/", import.meta.url));

export const SOURCES = [
  fileURLToPath(new URL("settle.c", import.meta.url)),
  ...["buf", "err", "mkdirs", "names", "remove", "resolve", "stack"].map((name) => join(core, `${name}.c`)),
];
export const DEFINES = ["-D_GNU_SOURCE"];

/** Compiles the program into `outDir` unless it is up to date, and returns its path. */
export function buildSettle(outDir: string = defaultOutDir, options: BuildOptions = {}): string {
  const target = join(outDir, "tsbuild-settle");
  const headers = readdirSync(core).filter((name) => name.endsWith(".h"));
  const inputs = [...SOURCES, ...headers.map((name) => join(core, name))];
  compileProgram(target, { sources: SOURCES, inputs, flags: DEFINES }, options);
  return target;
}
