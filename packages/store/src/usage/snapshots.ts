import type { StoreState } from "../state.ts";
import type { Holders } from "./holders.ts";
import type { Holder, UsageRecord, UsageType } from "./types.ts";

interface SnapshotRow {
  readonly id: number;
  readonly parent: number | null;
  readonly whole: number | null;
  readonly layer: number;
  readonly lease: string | null;
  readonly created_at: number;
  readonly disk_bytes: number | null;
}

interface Known {
  readonly description: string;
  readonly last_used_at: number;
  readonly uses: number;
  readonly duration_ms: number;
}

/** Snapshots with what the records of the solver say about them. */
export function snapshotUsage(state: StoreState, holders: Holders): UsageRecord[] {
  const rows = state.database.all<SnapshotRow>(
    `SELECT s.id, s.parent, s.whole, s.layer, s.lease, s.created_at, l.disk_bytes
     FROM snapshots s JOIN layers l ON l.id = s.layer ORDER BY s.id`,
  );
  const known = knownByRecords(state);
  const remembered = rememberedSources(state);
  const ids = new Set(rows.map(({ id }) => id));
  const children = Map.groupBy(rows, (row) => row.parent);
  const patches = Map.groupBy(rows, (row) => row.whole);
  const byImage = withParents(rows, holders);
  const counted = new Set<number>();
  return rows.map((row) => {
    const record = known.get(row.id);
    const sizeBytes = counted.has(row.layer) ? 0 : (row.disk_bytes ?? 0);
    counted.add(row.layer);
    const users = [...(children.get(row.id) ?? []), ...(patches.get(row.id) ?? [])];
    const heldBy = holdersOf(row, users, holders);
    const type = remembered.get(row.id) ?? typeOf(record?.description);
    return {
      id: `snapshot:${row.id}`,
      type,
      description: record?.description ?? undescribed(row, type),
      sizeBytes,
      createdAt: row.created_at,
      lastUsedAt: record?.last_used_at ?? row.created_at,
      usageCount: record?.uses ?? 0,
      mutable: row.lease !== null,
      inUse: heldBy.some(({ kind }) => kind === "lease"),
      shared: byImage.has(row.id),
      parents: neededBy(row, ids).map((id) => `snapshot:${id}`),
      heldBy,
      costMs: record?.duration_ms ?? 0,
    };
  });
}

/** What it is made on, and of a patch what has all of its layer: that may be gone. */
function neededBy({ parent, whole }: SnapshotRow, ids: ReadonlySet<number>): number[] {
  return [parent, whole].filter((id) => id !== null && ids.has(id)) as number[];
}

function undescribed({ lease }: SnapshotRow, type: UsageType): string {
  if (lease !== null) return "being written";
  if (type === "source.local") return "files of a local context, mounted by a step";
  return "layer of an image, or of a step that failed";
}

function knownByRecords({ database }: StoreState): ReadonlyMap<number, Known> {
  const rows = database.all<Known & { result: string }>(
    `SELECT result, description, max(last_used_at) AS last_used_at, sum(uses) AS uses, max(duration_ms) AS duration_ms
     FROM cache_records WHERE result LIKE 'snapshot:%' GROUP BY result`,
  );
  return new Map(rows.map((row) => [Number(row.result.slice("snapshot:".length)), row]));
}

/** Snapshots of git checkouts and of mounted local contexts: only remembered values name them. */
function rememberedSources({ database }: StoreState): ReadonlyMap<number, UsageType> {
  const rows = database.all<{ kind: string; id: number }>(
    `SELECT kind, CAST(CAST(value AS TEXT) AS INTEGER) AS id FROM memo WHERE kind IN ('git-tree', 'context-snapshot')`,
  );
  return new Map(
    rows.map(({ kind, id }) => [id, kind === "git-tree" ? "source.git.checkout" : "source.local"]),
  );
}

function typeOf(description: string | undefined): UsageType {
  return description === undefined || /^\[internal\]/.test(description) ? "internal" : "regular";
}

function holdersOf(row: SnapshotRow, children: readonly SnapshotRow[], holders: Holders): Holder[] {
  const writing: Holder[] = row.lease === null ? [] : [{ kind: "lease", text: "a running build writes it" }];
  const made = children.map((child): Holder => ({ kind: "child", text: `snapshot ${child.id} on it` }));
  return [...writing, ...(holders.snapshots.get(row.id) ?? []), ...made];
}

/** Snapshots that an image has, with all below them. */
function withParents(rows: readonly SnapshotRow[], holders: Holders): ReadonlySet<number> {
  const parents = new Map(rows.map((row) => [row.id, row.parent]));
  const found = new Set<number>();
  for (const [id, list] of holders.snapshots) {
    if (!list.some(({ kind }) => kind === "image")) continue;
    for (let at: number | null | undefined = id; at != null && !found.has(at); at = parents.get(at))
      found.add(at);
  }
  return found;
}
