/** Builds tsbuild-start: one C file, one program without a libc. */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, defaultOutDir, WARNINGS } from "../sandbox/build.ts";

const source = fileURLToPath(new URL("start.c", import.meta.url));
const FREESTANDING = ["-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"];

/** Compiles the program into `outDir` unless it is up to date. Nothing on other machines than x86-64: tsbuild starts without it. */
export function buildStart(outDir: string = defaultOutDir, options: BuildOptions = {}): void {
  if (process.arch !== "x64") return;
  const target = join(outDir, "tsbuild-start");
  const built = statSync(target, { throwIfNoEntry: false });
  if (options.force !== true && built !== undefined && built.mtimeMs >= statSync(source).mtimeMs) return;
  mkdirSync(outDir, { recursive: true });
  const partial = `${target}.${process.pid}`;
  const compiler = options.compiler ?? process.env["CC"] ?? "cc";
  execFileSync(compiler, [...WARNINGS, "-O2", ...FREESTANDING, "-s", "-o", partial, source], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  renameSync(partial, target);
}
