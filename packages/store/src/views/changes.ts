/** What a step changed, by two walks of one folder: before and after. */
import type { TreeReader } from "@tsbuild/native-fs";

export type Change =
  | { readonly type: "removed"; readonly path: string }
  /** Index in the walk afterwards. `opaque`: a folder that hides what the layers below have at its path. */
  | { readonly type: "entry"; readonly index: number; readonly opaque: boolean };

export interface Walks {
  readonly before: TreeReader;
  readonly after: TreeReader;
  /** True when a folder that has the inode of the one before it was made anew: inode numbers are used again. */
  readonly isNew: (path: string) => boolean;
}

interface Pair {
  readonly before: number;
  readonly after: number;
}

function* childrenOf(tree: TreeReader, folder: number): Generator<number> {
  const end = tree.end(folder);
  for (let at = folder + 1; at < end; at = tree.end(at)) yield at;
}

/** Same inode, and not touched since: any write, chmod, link or rename sets ctime, and nothing can set it back. */
function isUntouched({ before, after }: Walks, pair: Pair): boolean {
  return (
    before.ino(pair.before) === after.ino(pair.after) &&
    before.ctimeNs(pair.before) === after.ctimeNs(pair.after)
  );
}

function isSameFolder({ before, after, isNew }: Walks, pair: Pair): boolean {
  if (!before.isFolder(pair.before) || before.ino(pair.before) !== after.ino(pair.after)) return false;
  return before.ctimeNs(pair.before) === after.ctimeNs(pair.after) || !isNew(after.path(pair.after));
}

/**
 * Changes in the order in which they can be made: a folder before what is in it. As overlayfs has it, the folders above a change
 * are part of the layer, a folder in the place of something old is opaque, and a removed folder is one mark.
 */
export class Changes {
  readonly #walks: Walks;
  /** Folders of the walk afterwards that are already part of the layer. */
  readonly #told = new Set<number>();
  readonly #folders: Pair[] = [{ before: 0, after: 0 }];
  /** Inodes with several names that are in the layer, and names of such that nothing touched. */
  readonly #linked = new Set<bigint>();
  readonly #untouchedLinks: number[] = [];

  constructor(walks: Walks) {
    this.#walks = walks;
  }

  *all(): Generator<Change> {
    // A loop and not a recursion: trees may be thousands deep.
    for (let pair = this.#folders.pop(); pair !== undefined; pair = this.#folders.pop()) {
      yield* this.#folder(pair);
    }
    yield* this.#otherNames();
  }

  /** A folder that was renamed has files whose other names stayed where they are: apart from those they would be other files. */
  *#otherNames(): Generator<Change> {
    for (const index of this.#untouchedLinks) {
      if (this.#linked.has(this.#walks.after.ino(index))) yield* this.#changed(index);
    }
  }

  *#changed(index: number): Generator<Change> {
    const { after } = this.#walks;
    yield* this.#upTo(after.parent(index));
    yield this.#entryOf(index);
  }

  *#folder(pair: Pair): Generator<Change> {
    const { before, after } = this.#walks;
    if (!isUntouched(this.#walks, pair)) yield* this.#upTo(pair.after);
    const old = new Map([...childrenOf(before, pair.before)].map((index) => [before.name(index), index]));
    for (const index of childrenOf(after, pair.after)) {
      const name = after.name(index);
      const known = old.get(name);
      old.delete(name);
      yield* this.#entry(known, index);
    }
    for (const index of old.values()) {
      yield* this.#upTo(pair.after);
      yield { type: "removed", path: before.path(index) };
    }
  }

  *#entry(known: number | undefined, index: number): Generator<Change> {
    const { after } = this.#walks;
    const pair = known === undefined ? undefined : { before: known, after: index };
    if (after.isFolder(index)) {
      if (pair !== undefined && isSameFolder(this.#walks, pair)) this.#folders.push(pair);
      else yield* this.#newFolder(index, known !== undefined);
    } else if (pair === undefined || !isUntouched(this.#walks, pair)) yield* this.#changed(index);
    else if (after.nlink(index) > 1) this.#untouchedLinks.push(index);
  }

  *#newFolder(index: number, opaque: boolean): Generator<Change> {
    const { after } = this.#walks;
    yield* this.#upTo(after.parent(index));
    yield { type: "entry", index, opaque };
    for (let at = index + 1; at < after.end(index); at++) yield this.#entryOf(at);
  }

  #entryOf(index: number): Change {
    const { after } = this.#walks;
    if (after.nlink(index) > 1 && !after.isFolder(index)) this.#linked.add(after.ino(index));
    return { type: "entry", index, opaque: false };
  }

  /** A folder and those above it, as far as they are not yet told. The root has no entry. */
  *#upTo(folder: number): Generator<Change> {
    const chain: number[] = [];
    for (let at = folder; at > 0 && !this.#told.has(at); at = this.#walks.after.parent(at)) chain.push(at);
    for (const index of chain.reverse()) {
      this.#told.add(index);
      yield { type: "entry", index, opaque: false };
    }
  }
}
