import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import type { Layout } from "./layout.ts";
import { namesIn } from "./names-in.ts";

/** Layers that are brought to the disk at once, and the kernel whose memory they are in. */
export interface Unsynced {
  readonly boot: string;
  readonly layers: readonly number[];
}

/** A file that tells how that stands: `begun` also when the machine or the program (native/settle) was stopped meanwhile. */
export interface SyncMark extends Unsynced {
  readonly file: string;
  readonly outcome: "begun" | "done" | "failed";
}

/** Whether the disk has refused layers: by names alone, as everyone asks who opens the state folder. */
export function hasFailedSync(layout: Layout): boolean {
  return namesIn(layout.syncs).some((name) => name.endsWith(".failed"));
}

/** Mostly none or one. */
export function readSyncMarks(layout: Layout): SyncMark[] {
  return namesIn(layout.syncs).flatMap((name) => {
    const outcome = (["begun", "done", "failed"] as const).find((one) => name.endsWith(`.${one}`));
    if (outcome === undefined) return [];
    const file = join(layout.syncs, name);
    const unsynced = readUnsynced(file);
    return unsynced === undefined ? [] : [{ ...unsynced, file, outcome }];
  });
}

export function removeSyncMarks(marks: readonly SyncMark[]): void {
  for (const { file } of marks) rmSync(file, { force: true });
}

/** Undefined for a file that was renamed meanwhile. One that a power cut left without its text speaks of no layers. */
function readUnsynced(file: string): Unsynced | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Unsynced;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    if (error instanceof SyntaxError) return { boot: "", layers: [] };
    throw error;
  }
}
