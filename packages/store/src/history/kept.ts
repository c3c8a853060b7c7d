import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { errnoCode, type SnapshotId } from "@tsbuild/base";

/** Snapshots that an entry of the history keeps from collection: what a step that failed left, and what it ran on. */
export interface Kept {
  /** What the builds of one kind are called; see KEPT_PER_PROJECT. */
  readonly project: string;
  readonly snapshots: readonly SnapshotId[];
}

/** Entries of each project that keep snapshots: older ones let go of theirs when a new one takes some. */
const KEPT_PER_PROJECT = 5;
/** Of all projects together: a machine that builds every change in a new folder has a new project each time. */
const KEPT_IN_ALL = 20;

const FILE = "kept.json";
const ENTRY = /^[0-9a-z]{9}-[0-9a-f]{8}$/;

/**
 * Writes what the entry in `folder` keeps, and makes surplus ones let go. The caller holds the snapshots until this returns; collection
 * reads the leases first, so that it sees them here or there. A file in the entry's folder, because it then goes with the entry.
 */
export function writeKept(folder: string, kept: Kept): void {
  const file = join(folder, FILE);
  writeFileSync(`${file}.new`, JSON.stringify(kept), { mode: 0o600 });
  renameSync(`${file}.new`, file);
  const all = readKept(dirname(folder));
  const ofProject = all.filter(({ project }) => project === kept.project);
  const surplus = [...ofProject.slice(KEPT_PER_PROJECT), ...all.slice(KEPT_IN_ALL)];
  for (const { entry } of surplus) rmSync(join(dirname(folder), entry, FILE), { force: true });
}

/** What all entries keep, newest first. */
export function readKept(
  history: string,
): readonly (Kept & { readonly entry: string; readonly id: string })[] {
  if (!existsSync(history)) return [];
  const entries = readdirSync(history).filter((name) => ENTRY.test(name));
  return entries
    .sort()
    .reverse()
    .flatMap((entry) => {
      const kept = parseKept(join(history, entry, FILE));
      return kept === undefined ? [] : [{ ...kept, entry, id: entry.slice(-8) }];
    });
}

function parseKept(file: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Kept;
  } catch (error) {
    // Most entries keep nothing; and a power cut may leave a file without content.
    if (error instanceof SyntaxError || errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
