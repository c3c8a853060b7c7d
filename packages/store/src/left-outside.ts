import { readFileSync, rmdirSync, rmSync, statSync, unlinkSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";

/** What is still in use after this long is in use by somebody else. */
const GIVE_UP_MS = 10 * 60_000;

/**
 * Removes what a dead process left outside of the state folder (see `Store.removeIfKilled`), and the list of it. False while something
 * of it is in use: a control group whose last processes are ending.
 */
export function removeLeft(file: string): boolean {
  const written = statSync(file, { throwIfNoEntry: false });
  if (written === undefined) return true;
  const busy = pathsIn(file).filter((path) => !removed(path));
  if (busy.length > 0 && Date.now() - written.mtimeMs < GIVE_UP_MS) return false;
  rmSync(file, { force: true });
  return true;
}

/** A process that was killed while it wrote leaves a last line that is cut off. */
function pathsIn(file: string): string[] {
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as string);
}

/** False: try again. Whoever opens the state folder may not be able to remove it, and has other things to do than to fail by that. */
function removed(path: string): boolean {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoCode(error) === "EBUSY") return false;
    if (errnoCode(error) === "ENOTDIR") removeFile(path);
  }
  return true;
}

const NOT_OURS = new Set(["ENOENT", "EACCES", "EPERM", "EROFS", "EISDIR"]);

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!NOT_OURS.has(errnoCode(error) ?? "")) throw error;
  }
}
