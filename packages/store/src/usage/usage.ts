import { statfsSync } from "node:fs";
import type { Store } from "../api.ts";
import { reapDeadLeases } from "../open.ts";
import { type StoreState, stateOf } from "../state.ts";
import { blobUsage, foreignBlobs, historyUsage, internalUsage, mountUsage, sourceUsage } from "./folders.ts";
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
  const layers = { needed: keptWith(snapshots, isOfBuild), firm: keptWith(snapshots, isFirm) };
  const foreign = foreignBlobs(state);
  return [
    ...snapshots,
    ...blobUsage(state, holders).map((blob) => heldWithLayer(blob, layers, foreign)),
    ...mounts,
    ...sources,
    ...history,
    ...internal,
  ];
}

/** Ids of such snapshots, with all below them. */
function keptWith(
  snapshots: readonly UsageRecord[],
  isKept: (snapshot: UsageRecord) => boolean,
): ReadonlySet<string> {
  const kept = snapshots.filter(isKept);
  return ancestorsOf(snapshots, kept).union(new Set(kept.map(({ id }) => id)));
}

/** The last builds of a project need it. */
function isOfBuild({ heldBy }: UsageRecord): boolean {
  return heldBy.some(({ kind }) => kind === "build");
}

interface KeptLayers {
  readonly needed: ReadonlySet<string>;
  readonly firm: ReadonlySet<string>;
}

/**
 * The compressed form of a layer that builds need is needed to export it again. One that came from elsewhere stays as long as its layer: nobody here
 * can make it again, and without it no image on that layer could leave.
 */
function heldWithLayer(
  blob: UsageRecord,
  { needed, firm }: KeptLayers,
  foreign: ReadonlySet<string>,
): UsageRecord {
  const isOf = (ids: ReadonlySet<string>): boolean => blob.parents.some((id) => ids.has(id));
  if (foreign.has(blob.id) && isOf(firm)) {
    const text = "an image has its layer, which cannot be packed to the same bytes";
    return { ...blob, heldBy: [...blob.heldBy, { kind: "image", text }] };
  }
  if (!isOf(needed)) return blob;
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
