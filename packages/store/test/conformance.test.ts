import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type Store } from "@tsbuild/store";
import { blobStoreSuite, snapshotStoreSuite } from "@tsbuild/testkit";
import { temporaryFiles } from "./world.ts";

function open(): { readonly store: Store; readonly root: string; close(): Promise<void> } {
  const root = mkdtempSync(join(tmpdir(), "tsbuild-store-"));
  const store = openStore({ root });
  const close = async (): Promise<void> => {
    await store.close();
    rmSync(root, { recursive: true, force: true });
  };
  return { store, root, close };
}

blobStoreSuite("files", async () => {
  const { store, root, close } = open();
  return { blobs: store.blobs, temporaryFiles: () => temporaryFiles(root), close };
});

snapshotStoreSuite("overlay folders", async () => {
  const { store, close } = open();
  return { snapshots: store.snapshots, close };
});
