/** Builds tsbuild-sandbox: a few small C files, one static program, about a second. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writePlanOps } from "./generate.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const sourceFolder = join(here, "src");

/** Where the repository keeps native programs; not under version control. */
export const defaultOutDir = fileURLToPath(new URL("../build/", import.meta.url));

export const WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"];

/** The C files of the program. */
export function sources(): string[] {
  return readdirSync(sourceFolder)
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((name) => join(sourceFolder, name));
}

function isFresh(target: string): boolean {
  const built = statSync(target, { throwIfNoEntry: false });
  if (built === undefined) return false;
  const inputs = [
    ...readdirSync(sourceFolder).map((name) => join(sourceFolder, name)),
    join(here, "../plan.def"),
    join(here, "build.ts"),
  ];
  return inputs.every((input) => statSync(input).mtimeMs <= built.mtimeMs);
}

export interface BuildOptions {
  /** Builds even if the program is newer than its sources. */
  readonly force?: boolean;
  readonly compiler?: string;
}

/** Compiles the program into `outDir` unless it is up to date, and returns its path. */
export function buildSandbox(outDir: string = defaultOutDir, options: BuildOptions = {}): string {
  const target = join(outDir, "tsbuild-sandbox");
  writePlanOps();
  if (options.force !== true && isFresh(target)) return target;
  mkdirSync(outDir, { recursive: true });
  /* Renamed into place: a sandbox that is starting at this moment never sees half a program. */
  const partial = `${target}.${process.pid}`;
  const args = [...WARNINGS, "-O2", "-static", "-s", "-o", partial, ...sources()];
  execFileSync(options.compiler ?? process.env["CC"] ?? "cc", args, {
    stdio: ["ignore", "inherit", "inherit"],
  });
  renameSync(partial, target);
  return target;
}

if (import.meta.main) console.log(buildSandbox(defaultOutDir, { force: process.argv.includes("--force") }));
