import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { ResultId } from "@tsbuild/solver";
import { openStore, type Store } from "@tsbuild/store";
import { blobStoreSuite, cacheStorageSuite, snapshotStoreSuite, workLocksSuite } from "@tsbuild/testkit";
import { layer, temporaryFiles } from "./world.ts";

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

cacheStorageSuite("SQLite", () => {
  const { store, root, close } = open();
  const others: Store[] = [];
  return {
    storage: store.cache,
    // Made by another store that is closed at once: held by nobody.
    makeResult: async () => {
      const maker = openStore({ root });
      const id = layer(maker, null);
      await maker.close();
      return `snapshot:${id}` as ResultId;
    },
    evict: (result) => {
      const database = new DatabaseSync(join(root, "v1", "state.db"));
      database.prepare("DELETE FROM snapshots WHERE id=?").run(result.slice("snapshot:".length));
      database.close();
    },
    reopen: () => {
      const other = openStore({ root });
      others.push(other);
      return other.cache;
    },
    close: async () => {
      for (const other of others) await other.close();
      await close();
    },
  };
});

workLocksSuite("flock", () => {
  const { store, root, close } = open();
  const others: Store[] = [];
  return {
    locks: store.locks,
    reopen: () => {
      const other = openStore({ root });
      others.push(other);
      return other.locks;
    },
    close: async () => {
      for (const other of others) await other.close();
      await close();
    },
  };
});
