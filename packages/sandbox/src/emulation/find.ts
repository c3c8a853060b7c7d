import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { findProgram } from "../find-program.ts";
import { elfStart, exitProgram, type Machine } from "./machines.ts";

/** How programs of another machine come to run here. */
export type FoundEmulation =
  /** The kernel executes them: by itself, or by an emulator that it has been told of. */
  | { readonly type: "kernel" }
  /** By a static emulator of this machine, once a kernel has been told of it. */
  | { readonly type: "emulator"; readonly program: string }
  | { readonly type: "none" };

export interface FindOptions {
  /** $PATH. */
  readonly path: string;
  /** A fresh folder in which programs may be executed. */
  readonly temporaryFolder: () => string;
  /** Default: /proc/sys/fs/binfmt_misc. */
  readonly binfmtFolder?: string | undefined;
}

const BINFMT_FOLDER = "/proc/sys/fs/binfmt_misc";

function readEntries(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name !== "register" && name !== "status")
      .map((name) => readFileSync(join(folder, name), "utf8"));
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes(errnoCode(error) ?? "")) return [];
    throw error;
  }
}

/**
 * What this machine's binfmt_misc says: `fixed` when its interpreter was opened at registration (F), so that steps need not have it;
 * `path` when each program looks it up in its own root, where it is not; undefined: nothing, or it is not mounted here.
 */
export function registered(machine: Machine, folder = BINFMT_FOLDER): "fixed" | "path" | undefined {
  const start = Buffer.from(elfStart(machine)).toString("hex");
  const enabled = readEntries(folder).filter(
    (text) => /^enabled$/m.test(text) && RegExp(`^magic ${start}`, "m").test(text),
  );
  if (enabled.length === 0) return undefined;
  return enabled.some((text) => /^flags:.*F/m.test(text)) ? "fixed" : "path";
}

/** Tries it: a kernel that serves containers may have been told of an emulator where that cannot be seen. */
function runsHere(machine: Machine, temporaryFolder: () => string): boolean {
  const program = exitProgram(machine);
  if (program === undefined) return false;
  const file = join(temporaryFolder(), `exit-${machine.architecture}`);
  writeFileSync(file, program, { mode: 0o755 });
  try {
    return spawnSync(file, { stdio: "ignore" }).status === 0;
  } finally {
    rmSync(file, { force: true });
  }
}

/** Static ones only: what the kernel opens for a step loads no library, as the step's root has none for this machine. */
function findEmulator({ qemu }: Machine, path: string): string | undefined {
  return findProgram([`${qemu}-static`, `buildkit-${qemu}`], path);
}

export function findEmulation(machine: Machine, options: FindOptions): FoundEmulation {
  const entry = registered(machine, options.binfmtFolder);
  if (entry === "fixed") return { type: "kernel" };
  if (entry === undefined && runsHere(machine, options.temporaryFolder)) return { type: "kernel" };
  const program = findEmulator(machine, options.path);
  return program === undefined ? { type: "none" } : { type: "emulator", program };
}
