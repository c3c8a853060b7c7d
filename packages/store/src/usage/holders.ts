import { readFileSync, statSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";
import type { ResultId } from "@tsbuild/solver";
import { readKept } from "../history/kept.ts";
import { type HeldSet, heldByLease } from "../leases.ts";
import { lastNeeds } from "../needs.ts";
import { snapshotOfResult } from "../refs.ts";
import type { StoreState } from "../state.ts";
import type { Holder } from "./types.ts";

/** Who keeps which snapshot (by row id) or blob (by hex digest) by name, without what follows from parents. */
export interface Holders {
  readonly snapshots: ReadonlyMap<number, readonly Holder[]>;
  readonly blobs: ReadonlyMap<string, readonly Holder[]>;
  /** By name. */
  readonly mounts: ReadonlyMap<string, readonly Holder[]>;
}

/** Reads leases, images, the needs of the last builds and what failed ones keep. `builds`: how many of each project count. */
export function readHolders(state: StoreState, builds: number): Holders {
  const snapshots = new Map<number, Holder[]>();
  const blobs = new Map<string, Holder[]>();
  const mounts = new Map<string, Holder[]>();
  const add = <K>(map: Map<K, Holder[]>, key: K, holder: Holder): void => {
    const list = map.get(key) ?? [];
    if (!list.some(({ text }) => text === holder.text)) list.push(holder);
    map.set(key, list);
  };
  for (const [name, held] of heldByLease(state.layout)) {
    const holder = leaseHolder(state, name);
    eachHeld(
      held,
      (id) => add(snapshots, id, holder),
      (hex) => add(blobs, hex, holder),
    );
  }
  for (const { name, snapshot } of imageRows(state))
    add(snapshots, snapshot, { kind: "image", text: `image ${name}` });
  for (const { project, needs } of lastNeeds(state, builds)) {
    const holder = { kind: "build", text: `build of ${project}` } as const;
    for (const need of needs) {
      if (need.startsWith("mount:")) add(mounts, need.slice("mount:".length), holder);
      const id = snapshotOfResult(need as ResultId);
      if (id != null) add(snapshots, Number(id), holder);
    }
  }
  // After the leases: a build writes what it keeps before it lets go.
  for (const { id, snapshots: kept } of readKept(state.layout.history)) {
    const holder = { kind: "build", text: `the failed step of build ${id}` } as const;
    for (const snapshot of kept) add(snapshots, Number(snapshot), holder);
  }
  return { snapshots, blobs, mounts };
}

function eachHeld(held: HeldSet, snapshot: (id: number) => void, blob: (hex: string) => void): void {
  for (const id of held.snapshots) snapshot(Number(id));
  for (const hex of held.blobs) blob(hex);
}

function imageRows({ database }: StoreState): { name: string; snapshot: number }[] {
  return database.all(
    `SELECT name, snapshot FROM images WHERE snapshot IS NOT NULL
     UNION SELECT name, snapshot FROM image_variants WHERE snapshot IS NOT NULL ORDER BY name`,
  );
}

function leaseHolder({ layout }: StoreState, name: string): Holder {
  const inode = statSync(layout.leaseLock(name), { throwIfNoEntry: false })?.ino;
  const pid = inode === undefined ? undefined : lockPid(inode);
  return { kind: "lease", text: pid === undefined ? "a running process" : `process ${pid}` };
}

/** The process that holds a lock, by proc_locks(5): `1: FLOCK  ADVISORY  WRITE 708 08:01:131 0 EOF`. */
function lockPid(inode: number): number | undefined {
  const locks = readLocks();
  const line = locks.split("\n").find((one) => one.split(/\s+/)[5]?.endsWith(`:${inode}`) === true);
  const pid = Number(line?.split(/\s+/)[4]);
  // 0 or -1: of a process that this one's PID namespace does not show.
  return pid > 0 ? pid : undefined;
}

function readLocks(): string {
  try {
    return readFileSync("/proc/locks", "latin1");
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || errnoCode(error) === "EACCES") return "";
    throw error;
  }
}
