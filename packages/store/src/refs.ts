import { assert, type SnapshotId } from "@tsbuild/base";
import type { Ref, ResultId } from "@tsbuild/solver";
import type { Store } from "./api.ts";
import type { Hold } from "./snapshots.ts";

const SCRATCH = "scratch" as ResultId;
const PREFIX = "snapshot:";

/** Name of a snapshot as a result; null is the empty filesystem, `scratch`. */
export function resultOf(id: SnapshotId | null): ResultId {
  return id === null ? SCRATCH : (`${PREFIX}${id}` as ResultId);
}

/** The snapshot that a result names: null for scratch, undefined when it is no result of this store. */
export function snapshotOfResult(result: ResultId): SnapshotId | null | undefined {
  if (result === SCRATCH) return null;
  const id = result.startsWith(PREFIX) ? result.slice(PREFIX.length) : "";
  return /^[1-9][0-9]*$/.test(id) ? (id as SnapshotId) : undefined;
}

/** A handle to a snapshot, held until it and its clones are released. Throws TSB_STORE when the snapshot is gone. */
export function refForSnapshot(store: Pick<Store, "snapshots">, id: SnapshotId | null): Ref {
  return refForHold(id, id === null ? undefined : store.snapshots.hold(id));
}

/** The snapshot behind a ref of this store; null for scratch. */
export function snapshotOf(ref: Ref): SnapshotId | null {
  const id = ref.id === undefined ? undefined : snapshotOfResult(ref.id);
  assert(id !== undefined, `${ref.id ?? "a ref without id"} names no snapshot`);
  return id;
}

/** Takes over `hold`: all clones share it, and the last of them gives it up. */
export function refForHold(snapshot: SnapshotId | null, hold: Hold | undefined): Ref {
  const id = resultOf(snapshot);
  let count = 0;
  const handle = (): Ref => {
    let open = true;
    count += 1;
    return {
      id,
      clone: () => {
        assert(open, `clone of a released ref to ${id}`);
        return handle();
      },
      release: () => {
        assert(open, `second release of a ref to ${id}`);
        open = false;
        count -= 1;
        if (count === 0) hold?.release();
      },
    };
  };
  return handle();
}
