import { statfsSync } from "node:fs";
import type { Store } from "../api.ts";
import { reapDeadLeases } from "../open.ts";
import { type StoreState, stateOf } from "../state.ts";
import { blobUsage, historyUsage, internalUsage, mountUsage, sourceUsage } from "./folders.ts";
import { readHolders } from "./holders.ts";
import { measureLayers } from "./measure.ts";
import { snapshotUsage } from "./snapshots.ts";
import type { DiskUsage, UsageRecord } from "./types.ts";

/** Builds of each project that collection spares. */
export const KEPT_BUILDS = 3;

/** Looks at everything in the state folder. New layers are measured, which reads their folders once. */
export async function diskUsage(
  store: Store,
  options: { readonly keptBuilds?: number } = {},
): Promise<DiskUsage> {
  const state = stateOf(store);
  reapDeadLeases(state);
  const records = await takeStock(state, options.keptBuilds ?? KEPT_BUILDS);
  // A compressed form does not keep its layer: it goes with it.
  const firm = ancestorsOf(
    records,
    records.filter((one) => isFirm(one) && one.type !== "blob"),
  );
  const { bavail, blocks, bsize } = statfsSync(state.layout.base);
  const sum = (list: readonly UsageRecord[]): number => list.reduce((total, one) => total + one.sizeBytes, 0);
  return {
    root: state.layout.root,
    records,
    totalBytes: sum(records),
    reclaimableBytes: sum(records.filter((record) => !isFirm(record) && !firm.has(record.id))),
    freeBytes: bavail * bsize,
    diskBytes: blocks * bsize,
  };
}

export async function takeStock(state: StoreState, keptBuilds: number): Promise<readonly UsageRecord[]> {
  await measureLayers(state);
  const [mounts, sources, history, internal] = [
    await mountUsage(state, readHolders(state, keptBuilds)),
    await sourceUsage(state),
    await historyUsage(state),
    await internalUsage(state),
  ];
  // What only the database and a list of names tell comes last: it is newest.
  const holders = readHolders(state, keptBuilds);
  const snapshots = snapshotUsage(state, holders);
  const needed = builtOn(snapshots);
  return [
    ...snapshots,
    ...blobUsage(state, holders).map((blob) => heldWithLayer(blob, needed)),
    ...mounts,
    ...sources,
    ...history,
    ...internal,
  ];
}

/** Ids of the snapshots that the last builds of projects need, with all below them. */
function builtOn(snapshots: readonly UsageRecord[]): ReadonlySet<string> {
  const needed = snapshots.filter(({ heldBy }) => heldBy.some(({ kind }) => kind === "build"));
  return ancestorsOf(snapshots, needed).union(new Set(needed.map(({ id }) => id)));
}

/** The compressed form of a layer that builds need is needed to export it again. */
function heldWithLayer(blob: UsageRecord, needed: ReadonlySet<string>): UsageRecord {
  if (!blob.parents.some((id) => needed.has(id))) return blob;
  return { ...blob, heldBy: [...blob.heldBy, { kind: "build", text: "a layer that a build needs" }] };
}

/** Kept whatever is asked for: by an image, a process, or by other means. */
export function isFirm({ heldBy }: UsageRecord): boolean {
  return heldBy.some(({ kind }) => kind === "image" || kind === "lease" || kind === "kept");
}

/** Ids of all below `roots`. */
export function ancestorsOf(
  records: readonly UsageRecord[],
  roots: readonly UsageRecord[],
): ReadonlySet<string> {
  const byId = new Map(records.map((record) => [record.id, record]));
  const found = new Set<string>();
  const pending = roots.flatMap(({ parents }) => parents);
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    pending.push(...(byId.get(id)?.parents ?? []));
  }
  return found;
}
