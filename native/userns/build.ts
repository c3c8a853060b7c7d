/** Builds tsbuild-userns: one C file, one static program. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, compileProgram, defaultOutDir } from "../compile.ts";

const source = fileURLToPath(new URL("userns.c", import.meta.url));

/** Compiles the program into `outDir` unless it is up to date, and returns its path. */
export function buildUserns(outDir: string = defaultOutDir, options: BuildOptions = {}): string {
  const target = join(outDir, "tsbuild-userns");
  compileProgram(target, { sources: [source], inputs: [source] }, options);
  return target;
}
