import { readdirSync } from "node:fs";
import { TsbuildError } from "@tsbuild/base";
import type { StoreState } from "./state.ts";

/**
 * Runs a transaction that forgets layers. That takes space as well: deleting a row writes to the database's log, and what was forgotten
 * is removed only afterwards, in the background. On a full disk both would never happen, and the disk would stay full: then the layers
 * (`layers` tells their ids) and the trash are removed first, and the transaction is tried again. They belong to nobody: rows without a
 * folder are what a crash in the middle of this leaves, as long as they are those of snapshots that were never committed.
 */
export function makingRoom(state: StoreState, layers: () => readonly number[], forget: () => void): void {
  try {
    forget();
  } catch (error) {
    if (!(error instanceof TsbuildError) || error.code !== "TSB_DISK_FULL") throw error;
    const { layout } = state;
    removeFrom(state, layout.snapshots, layers().map(String));
    removeFrom(state, layout.trash, readdirSync(layout.trash));
    forget();
  }
}

function removeFrom({ native }: StoreState, folder: string, names: readonly string[]): void {
  const root = native.openFolder(folder);
  try {
    for (const name of names) native.removeInRoot(root, name);
  } finally {
    native.close(root);
  }
}
