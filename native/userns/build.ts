/** Builds tsbuild-userns: one C file, one static program. */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, defaultOutDir, WARNINGS } from "../sandbox/build.ts";

const source = fileURLToPath(new URL("userns.c", import.meta.url));

/** Compiles the program into `outDir` unless it is up to date, and returns its path. */
export function buildUserns(outDir: string = defaultOutDir, options: BuildOptions = {}): string {
  const target = join(outDir, "tsbuild-userns");
  const built = statSync(target, { throwIfNoEntry: false });
  if (options.force !== true && built !== undefined && built.mtimeMs >= statSync(source).mtimeMs)
    return target;
  mkdirSync(outDir, { recursive: true });
  const partial = `${target}.${process.pid}`;
  const compiler = options.compiler ?? process.env["CC"] ?? "cc";
  execFileSync(compiler, [...WARNINGS, "-O2", "-static", "-s", "-o", partial, source], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  renameSync(partial, target);
  return target;
}
