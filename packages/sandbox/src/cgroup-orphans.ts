/**
 * Control groups of builders that are gone, removed by `prune` and by the next builder that makes some. The state folder's next user removes
 * those of a killed builder; a folder that was deleted by hand has none, and the groups would stay until the machine is started again.
 */
import { existsSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { stepGroupFolders } from "./host.ts";

/** Names of the native sandbox's groups and of those of containers of an OCI runtime: each has the builder's process id. */
const NAMES = [/^[0-9a-f]{12}-(\d+)$/, /^tsbuild-(\d+)-[0-9a-f]{12}$/];

/** Name of a container's group within the step's own (oci-bundle.ts). */
export const INNER_GROUP = "container";

/** A builder of another pid namespace seems gone, and may be about to put a process into a group that it has just made. */
const FRESH_MS = 60_000;

function isOrphan(parent: string, name: string): boolean {
  const owner = NAMES.map((pattern) => pattern.exec(name)?.[1]).find((pid) => pid !== undefined);
  if (owner === undefined || existsSync(`/proc/${owner}`)) return false;
  const made = statSync(join(parent, name), { throwIfNoEntry: false });
  return made !== undefined && Date.now() - made.mtimeMs > FRESH_MS;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    /* There is none, or it is not this user's to see. */
    if (errnoCode(error) === undefined) throw error;
    return [];
  }
}

/** Answers the folders that it removed. One with processes in it stays: the kernel refuses. */
export function removeOrphanedGroups(parents: readonly string[] = stepGroupFolders()): string[] {
  return parents.flatMap((parent) =>
    entries(parent)
      .filter((name) => isOrphan(parent, name))
      .map((name) => join(parent, name))
      .filter(removeGroup),
  );
}

/** The group with that of its container. False if there is none, or if processes are in it. */
export function removeGroup(path: string): boolean {
  removeFolder(join(path, INNER_GROUP));
  return removeFolder(path);
}

function removeFolder(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return false;
  }
}
