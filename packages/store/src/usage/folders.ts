import { statSync } from "node:fs";
import { join } from "node:path";
import { neededBlobs, rememberedBlobs } from "../blob-roots.ts";
import { FolderHistoryStore } from "../history/folder.ts";
import { mountTitle } from "../mount-names.ts";
import { namesIn } from "../names-in.ts";
import type { StoreState } from "../state.ts";
import type { Holders } from "./holders.ts";
import { diskBytes } from "./measure.ts";
import type { Holder, UsageRecord, UsageType } from "./types.ts";

function entry(
  known: Pick<UsageRecord, "id" | "type" | "description" | "sizeBytes"> & Partial<UsageRecord>,
): UsageRecord {
  return {
    createdAt: 0,
    lastUsedAt: known.createdAt ?? 0,
    usageCount: 0,
    mutable: false,
    inUse: false,
    shared: false,
    parents: [],
    heldBy: [],
    costMs: 0,
    ...known,
  };
}

/** Blobs: of images, and compressed forms of layers. */
export function blobUsage(state: StoreState, holders: Holders): UsageRecord[] {
  const layers = layersOfBlobs(state);
  const ofImages = neededBlobs(state, { compressed: false });
  const remembered = rememberedBlobs(state);
  return namesIn(state.layout.blobs).flatMap((hex) => {
    const stat = statSync(join(state.layout.blobs, hex), { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const layer = layers.get(hex);
    const shared = ofImages.has(hex);
    const held = holders.blobs.get(hex) ?? [];
    const heldBy: Holder[] = [
      ...held,
      ...(shared ? [{ kind: "image", text: "an image" } as const] : []),
      ...(remembered.has(hex) ? [{ kind: "build", text: "a base image that builds remember" } as const] : []),
    ];
    return entry({
      id: `blob:sha256:${hex}`,
      type: "blob",
      description:
        layer === undefined ? "manifest, config or layer of an image" : `compressed layer (${layer.variant})`,
      sizeBytes: stat.blocks * 512,
      createdAt: stat.mtimeMs,
      // Reading moves it at most once a day (relatime).
      lastUsedAt: Math.max(stat.atimeMs, stat.mtimeMs),
      inUse: held.length > 0,
      shared,
      parents: layer?.snapshots.map((id) => `snapshot:${id}`) ?? [],
      heldBy,
    });
  });
}

/** Ids of blobs that are layers as they were pulled or loaded. */
export function foreignBlobs({ database }: StoreState): ReadonlySet<string> {
  const rows = database.all<{ blob: string }>(
    "SELECT DISTINCT blob FROM compressed WHERE variant IN ('pulled', 'loaded')",
  );
  return new Set(rows.map(({ blob }) => `blob:${blob}`));
}

function layersOfBlobs({
  database,
}: StoreState): ReadonlyMap<string, { readonly variant: string; readonly snapshots: readonly number[] }> {
  const rows = database.all<{ blob: string; variant: string; snapshot: number }>(
    `SELECT c.blob, c.variant, s.id AS snapshot FROM compressed c
     JOIN layers l ON l.diff_id = c.diff_id JOIN snapshots s ON s.layer = l.id`,
  );
  const byBlob = Map.groupBy(rows, ({ blob }) => blob.slice("sha256:".length));
  return new Map(
    [...byBlob].map(([hex, list]) => [
      hex,
      { variant: list[0]?.variant ?? "", snapshots: list.map(({ snapshot }) => snapshot) },
    ]),
  );
}

/** Folders of RUN --mount=type=cache. */
export async function mountUsage(state: StoreState, holders?: Holders): Promise<UsageRecord[]> {
  const rows = state.database.all<{ id: number; name: string; created_at: number; last_used_at: number }>(
    "SELECT id, name, created_at, last_used_at FROM cache_mounts ORDER BY id",
  );
  const found: UsageRecord[] = [];
  for (const row of rows) {
    const inUse = isLocked(state, join(state.layout.cacheMounts, `${row.id}.lock`));
    found.push(
      entry({
        id: `mount:${row.id}`,
        type: "exec.cachemount",
        description: mountTitle(row.name),
        sizeBytes: await diskBytes(join(state.layout.cacheMounts, String(row.id))),
        createdAt: row.created_at,
        lastUsedAt: row.last_used_at,
        mutable: true,
        inUse,
        heldBy: [
          ...(inUse ? [{ kind: "lease", text: "a running step" } as const] : []),
          ...(holders?.mounts.get(row.name) ?? []),
        ],
      }),
    );
  }
  return found;
}

function isLocked({ native }: StoreState, file: string): boolean {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return false;
  const lock = native.tryLock(file, "exclusive");
  if (lock === undefined) return true;
  native.close(lock);
  return false;
}

/** Repositories that git sources keep, and indexes of local contexts. */
export async function sourceUsage({ layout }: StoreState): Promise<UsageRecord[]> {
  const found: UsageRecord[] = [];
  const kinds: readonly [string, string, UsageType, string][] = [
    [layout.git, "git", "source.git.checkout", "repository of a git source"],
    [layout.contexts, "context", "source.local", "index of a local context: what was hashed"],
  ];
  for (const [folder, prefix, type, description] of kinds) {
    for (const name of namesIn(folder)) {
      const path = join(folder, name);
      const stat = statSync(path, { throwIfNoEntry: false });
      if (stat === undefined) continue;
      found.push(
        entry({
          id: `${prefix}:${name}`,
          type,
          description,
          sizeBytes: await diskBytes(path),
          createdAt: stat.birthtimeMs,
          lastUsedAt: Math.max(stat.mtimeMs, stat.isFile() ? stat.atimeMs : 0),
          mutable: true,
        }),
      );
    }
  }
  return found;
}

/** Builds that `tsbuild history` shows. They have bounds of their own. */
export async function historyUsage(state: StoreState): Promise<UsageRecord[]> {
  const found: UsageRecord[] = [];
  const folders = namesIn(state.layout.history);
  for (const { id, startedAtMs, isOpen } of new FolderHistoryStore(state).list()) {
    const folder = folders.find((name) => name.endsWith(`-${id}`));
    if (folder === undefined) continue;
    found.push(
      entry({
        id: `history:${id}`,
        type: "history",
        description: "record of a build with its logs",
        sizeBytes: await diskBytes(join(state.layout.history, folder)),
        createdAt: startedAtMs,
        inUse: isOpen(),
        heldBy: [{ kind: "kept", text: "the build history (tsbuild history rm)" }],
      }),
    );
  }
  return found;
}

/** The database, what builds in progress have written aside, and what is being removed. */
export async function internalUsage({ layout, database }: StoreState): Promise<UsageRecord[]> {
  const memo =
    database.get<{ bytes: number | null }>("SELECT sum(length(value)) AS bytes FROM memo")?.bytes ?? 0;
  const file = statSync(layout.database).blocks * 512;
  const wal = statSync(`${layout.database}-wal`, { throwIfNoEntry: false });
  const kept: Holder = { kind: "kept", text: "the state folder itself" };
  const records = [
    entry({
      id: "database",
      type: "internal",
      description: `keys, records and remembered values (${memo} bytes of these)`,
      sizeBytes: file + (wal?.blocks ?? 0) * 512,
      createdAt: statSync(layout.database).birthtimeMs,
      lastUsedAt: Date.now(),
      mutable: true,
      heldBy: [kept],
    }),
  ];
  for (const [id, folder, description] of [
    ["temporary", layout.leases, "files of running builds"],
    ["trash", layout.trash, "being removed"],
  ] as const) {
    const sizeBytes = await diskBytes(folder);
    if (namesIn(folder).length === 0) continue;
    records.push(entry({ id, type: "internal", description, sizeBytes, mutable: true, heldBy: [kept] }));
  }
  return records;
}
