import { close as closeDescriptor } from "node:fs";
import type { SnapshotId } from "@tsbuild/base";
import type { SnapshotView } from "../api.ts";

interface Opened {
  readonly root: Promise<number>;
  users: number;
}

/** Kept for the next to come, at most: each is a descriptor and a superblock. */
const MAX_KEPT = 16;

/**
 * Read-only mounts of snapshots, one for all that look at the same at a time. One that somebody looks at again is kept meanwhile, but never
 * longer than the snapshot is held: without a hold another process may collect it, and its id may come again.
 */
export class OpenedViews {
  readonly #opened = new Map<SnapshotId, Opened>();
  /** Those without users, oldest first. */
  readonly #kept = new Set<SnapshotId>();

  async open(
    id: SnapshotId,
    { mount, keep }: { readonly mount: () => Promise<number>; readonly keep: boolean },
  ): Promise<SnapshotView> {
    const opened = this.#opened.get(id) ?? { root: mount(), users: 0 };
    this.#opened.set(id, opened);
    this.#kept.delete(id);
    opened.users += 1;
    let open = true;
    const close = (): void => {
      if (open) this.#leave(id, opened, keep);
      open = false;
    };
    try {
      return { root: await opened.root, close };
    } catch (error) {
      if (this.#opened.get(id) === opened) this.#opened.delete(id);
      throw error;
    }
  }

  /** Closes what is kept of a snapshot. */
  forget(id: SnapshotId): void {
    const opened = this.#opened.get(id);
    if (opened === undefined) return;
    // Whoever comes next gets another one; who is in it closes it.
    this.#opened.delete(id);
    if (this.#kept.delete(id)) closeSoon(opened);
  }

  forgetAll(): void {
    for (const id of [...this.#kept]) this.forget(id);
  }

  #leave(id: SnapshotId, opened: Opened, keep: boolean): void {
    opened.users -= 1;
    if (opened.users > 0) return;
    const isKnown = this.#opened.get(id) === opened;
    if (!isKnown) closeSoon(opened);
    else if (!keep) {
      this.#opened.delete(id);
      closeSoon(opened);
    } else this.#keep(id);
  }

  #keep(id: SnapshotId): void {
    this.#kept.add(id);
    const [oldest] = this.#kept;
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.forget(oldest);
  }
}

/** The kernel takes a millisecond or more to take an overlay down: on a thread, which nobody waits for. */
function closeSoon({ root }: Opened): void {
  void root.then((fd) => closeDescriptor(fd, () => undefined));
}
