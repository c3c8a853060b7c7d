/** What the builds of the native programs have in common. */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the repository keeps native programs; not under version control. */
export const defaultOutDir = fileURLToPath(new URL("./build/", import.meta.url));

export const WARNINGS = ["-std=gnu11", "-Wall", "-Wextra", "-Werror"];

export interface BuildOptions {
  /** Builds even if the program is newer than its sources. */
  readonly force?: boolean;
  readonly compiler?: string;
}

export interface Program {
  readonly sources: readonly string[];
  /** Newer than the program, each of these makes it out of date. */
  readonly inputs: readonly string[];
  readonly flags?: readonly string[];
}

/** Compiles a static program unless it is up to date. */
export function compileProgram(
  target: string,
  { sources, inputs, flags = [] }: Program,
  { force, compiler }: BuildOptions,
): void {
  const built = statSync(target, { throwIfNoEntry: false });
  const isFresh = built !== undefined && inputs.every((input) => statSync(input).mtimeMs <= built.mtimeMs);
  if (force !== true && isFresh) return;
  mkdirSync(dirname(target), { recursive: true });
  /* Renamed into place: a program that is starting at this moment is never half there. */
  const partial = `${target}.${process.pid}`;
  const args = [...WARNINGS, "-O2", "-static", ...flags, "-s", "-o", partial, ...sources];
  execFileSync(compiler ?? process.env["CC"] ?? "cc", args, { stdio: ["ignore", "inherit", "inherit"] });
  renameSync(partial, target);
}
