import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoCode } from "@tsbuild/base";

/** Command lines of all processes of the machine that contain a text; the caller's own are left out. */
export function runningCommands(text: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map(commandLine)
    .filter((command) => command.includes(text));
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
  } catch (error) {
    const code = errnoCode(error);
    // It ended meanwhile.
    if (code === "ENOENT" || code === "ESRCH") return "";
    throw error;
  }
}

/** The commands with a text that still run after half a minute: those of a killed build have a moment to end, however slow the machine. */
export async function commandsLeft(text: string): Promise<string[]> {
  for (let tries = 0; tries < 600 && runningCommands(text).length > 0; tries++) await sleep(50);
  return runningCommands(text);
}

/** Mounts of this machine at or from paths that contain a text. */
export function mountsOf(text: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(text));
}
