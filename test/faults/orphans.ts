import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { commandsLeft, mountsOf } from "../e2e/processes.ts";
import type { World } from "../e2e/world.ts";

/**
 * Everything that a killed command of this world has left behind, which after a prune must be nothing: leases, trash, locks and folders of
 * the state folder, mounts, control groups below `marker`, supervisors and network providers, temporary files of the state folder, of
 * outputs and of TMPDIR.
 */
export async function orphans(world: World, marker: string): Promise<string[]> {
  await world.settled();
  return [
    ...(await commandsLeft(marker)),
    ...inStateFolder(world.root),
    ...mountsOf(`${world.root}/`),
    ...controlGroups(marker),
    ...strayHelpers(world.root),
    ...temporaryFiles(world.folder),
  ];
}

function inStateFolder(root: string): string[] {
  const inside = ["leases", "trash"].flatMap((folder) =>
    readdirSync(join(root, "v1", folder)).map((name) => `${folder}/${name}`),
  );
  const halfDone = readdirSync(join(root, "v1/snapshots")).filter((id) =>
    existsSync(join(root, "v1/snapshots", id, "work")),
  );
  return [...inside, ...halfDone.map((id) => `snapshots/${id}/work`)];
}

/** Groups of steps: below the one that `--cgroup-parent` names, in every hierarchy. */
function controlGroups(marker: string): string[] {
  return foldersBelow("/sys/fs/cgroup").filter((path) => path.includes(`/${marker}/`));
}

function foldersBelow(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? [path, ...foldersBelow(path)] : [];
  });
}

/** Of a process that has ended, that nobody may look into, or a link to more than a path can say. */
const UNREADABLE = new Set(["ENOENT", "EACCES", "ENAMETOOLONG"]);

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (UNREADABLE.has(errnoCode(error) ?? "")) return [];
    throw error;
  }
}

/** Processes that have something of the state folder open though no command runs: supervisors of steps, network providers. */
function strayHelpers(root: string): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  return pids
    .filter((pid) => openPaths(pid).some((path) => path.startsWith(`${root}/`)))
    .map((pid) => `process ${pid}: ${commandOf(pid)}`);
}

function openPaths(pid: string): string[] {
  return entriesOf(`/proc/${pid}/fd`).flatMap((entry) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${entry.name}`)];
    } catch (error) {
      if (UNREADABLE.has(errnoCode(error) ?? "")) return [];
      throw error;
    }
  });
}

function commandOf(pid: string): string {
  const file = `/proc/${pid}/cmdline`;
  return statSync(file, { throwIfNoEntry: false }) === undefined
    ? "ended"
    : readFileSync(file, "latin1").replaceAll("\0", " ");
}

/**
 * By their names: `.tmp` at the end, and whatever is in the world's TMPDIR. The lock of a cache folder stays until the next export to it:
 * nobody else can tell whose it is.
 */
function temporaryFiles(folder: string): string[] {
  const all = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return all.filter((path) => /\.tmp$|tsbuild-lock\./.test(path) || path.startsWith("tmpdir/"));
}
