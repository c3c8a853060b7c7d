/** Builds tsbuild-sandbox: a few small C files, one static program, about a second. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, compileProgram, defaultOutDir } from "../compile.ts";
import { writePlanOps } from "./generate.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const sourceFolder = join(here, "src");

/** The C files of the program. */
export function sources(): string[] {
  return readdirSync(sourceFolder)
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((name) => join(sourceFolder, name));
}

/** Compiles the program into `outDir` unless it is up to date, and returns its path. */
export function buildSandbox(outDir: string = defaultOutDir, options: BuildOptions = {}): string {
  const target = join(outDir, "tsbuild-sandbox");
  writePlanOps();
  const inputs = [
    ...readdirSync(sourceFolder).map((name) => join(sourceFolder, name)),
    join(here, "../plan.def"),
    join(here, "build.ts"),
    join(here, "../compile.ts"),
  ];
  compileProgram(target, { sources: sources(), inputs }, options);
  return target;
}

if (import.meta.main) console.log(buildSandbox(defaultOutDir, { force: process.argv.includes("--force") }));
