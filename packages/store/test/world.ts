import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import { openStore, type Store } from "@tsbuild/store";
import { onTestFinished } from "vitest";

/** A fresh folder, removed after the test. */
export function temporaryRoot(): string {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-store-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return root;
}

/** Another `Store` object on the folder: to the store it is another process. */
export function openAt(root: string): Store {
  const store = openStore({ root });
  onTestFinished(() => store.close());
  return store;
}

/** A committed snapshot with one file. */
export function layer(store: Store, parent: SnapshotId | null, file = "file"): SnapshotId {
  const active = store.snapshots.prepare(parent);
  writeFileSync(join(active.upper, file), file);
  return store.snapshots.commit(active);
}

/** Names in a folder of the state folder. */
export function names(root: string, folder: string): string[] {
  return readdirSync(join(root, "v1", folder)).sort();
}

/** Files that leases have in their temporary folders. */
export function temporaryFiles(root: string): string[] {
  const leases = join(root, "v1", "leases");
  return readdirSync(leases, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readdirSync(join(leases, entry.name)));
}
