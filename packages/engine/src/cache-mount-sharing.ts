import { createReadStream } from "node:fs";
import { CACHE_MOUNT_TYPE, type MountChoice, type OutgoingMount } from "@tsbuild/cache";
import { compress } from "@tsbuild/oci";
import { mountTransfer } from "@tsbuild/store";
import type { BuildRun } from "./build.ts";
import type { OpenedCache } from "./cache-import.ts";

function isChosen(choice: MountChoice, id: string): boolean {
  if (choice === "all" || choice === "none") return choice === "all";
  return choice.some((wanted) => wanted === id || `/${wanted}` === id);
}

/** Packs the cache mounts that go along with an exported cache (W005), each into a blob of the store. */
export async function packMounts(
  { session: { store }, signal }: BuildRun,
  choice: MountChoice,
): Promise<readonly OutgoingMount[]> {
  if (choice === "none") return [];
  const transfer = mountTransfer(store);
  const ids = new Set((await transfer.list()).map(({ id }) => id).filter((id) => isChosen(choice, id)));
  const packed: OutgoingMount[] = [];
  for (const id of ids) {
    const { tar } = transfer.export(id, signal);
    const { digest, size } = await store.blobs.ingest(compress(tar, { compression: "gzip" }));
    const path = store.blobs.path(digest);
    const descriptor = { mediaType: CACHE_MOUNT_TYPE, digest, size };
    packed.push({ id, blob: { descriptor, open: (offset) => createReadStream(path, { start: offset }) } });
  }
  return packed;
}

/**
 * Takes the cache mounts of an imported cache that this machine does not have; what is here stays. Unlike records they outlive the build,
 * for every build that names them, so they are taken only where the flag says `include=mounts`.
 */
export async function takeMounts(run: BuildRun, cache: OpenedCache, choice: MountChoice): Promise<void> {
  const { store } = run.session;
  const transfer = mountTransfer(store);
  const here = new Set((await transfer.list()).map(({ id }) => id));
  for (const { id, blob, size } of cache.imported.document.mounts) {
    if (!isChosen(choice, id) || here.has(id)) continue;
    here.add(id);
    const descriptor = cache.imported.blobs.get(blob) ?? { mediaType: CACHE_MOUNT_TYPE, digest: blob, size };
    const expected = { digest: blob, size: descriptor.size };
    await store.blobs.ingest(cache.imported.blob(descriptor, run.signal), expected);
    await transfer.import(id, createReadStream(store.blobs.path(blob)), run.signal);
  }
}
