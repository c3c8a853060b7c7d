/** Looking at the machine's processes from a test. */
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoCode } from "@tsbuild/base";

/** Waits up to half a minute for something to come true. */
export async function becomes(condition: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 1500; tries++) {
    if (condition()) return true;
    await sleep(20);
  }
  return false;
}

/** Code of the error that says why a file cannot be written to; "" if it can. */
export function writeDenial(path: string): string {
  try {
    accessSync(path, constants.W_OK);
    return "";
  } catch (error) {
    return errnoCode(error) ?? "?";
  }
}

/** A process's command line; nothing if it has ended meanwhile. */
function readCommand(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoCode(error) ?? "")) return [];
    throw error;
  }
}

/** Processes of this machine with a word on their command line. */
export function processesWith(word: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readCommand(pid).includes(word));
}

/** Undefined: the process ended between two looks. */
function parentOf(pid: number): number | undefined {
  try {
    return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** Processes of the native program that a process has started, each for one step or to start steps. */
export function programsOf(parent: number, task: "step" | "serve"): number[] {
  return processesWith("sealed")
    .filter((pid) => readCommand(pid)[1] === task)
    .map(Number)
    .filter((pid) => parentOf(pid) === parent);
}

/** Supervisors of the sandboxes that this very process has started: never those of others on the machine. */
export function ownSupervisors(): number[] {
  const starters = programsOf(process.pid, "serve");
  return [...programsOf(process.pid, "step"), ...starters.flatMap((pid) => programsOf(pid, "serve"))];
}
