/** Builds tsbuild-start: one C file, one program without a libc. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, compileProgram, defaultOutDir } from "../compile.ts";

const source = fileURLToPath(new URL("start.c", import.meta.url));
const FREESTANDING = ["-nostdlib", "-ffreestanding", "-fno-stack-protector"];

/** Compiles the program into `outDir` unless it is up to date. Nothing on other machines than x86-64: tsbuild starts without it. */
export function buildStart(outDir: string = defaultOutDir, options: BuildOptions = {}): void {
  if (process.arch !== "x64") return;
  const program = { sources: [source], inputs: [source], flags: FREESTANDING };
  compileProgram(join(outDir, "tsbuild-start"), program, options);
}
