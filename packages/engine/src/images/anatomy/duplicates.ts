import type { NativeFs } from "@tsbuild/native-fs";
import type { LayerStack, Place } from "./layer-stack.ts";
import type { DuplicateFiles } from "./types.ts";

/** Smaller files are not worth reading: there are many, and they come to little. */
const LEAST_BYTES = 16 * 1024;
const HASH_BYTES = 32;
/** Files that are hashed in one call. */
const BATCH = 256;

/** Finds files of the same content, by size first: only what has a companion of its size is read. */
export class Duplicates {
  readonly #stack: LayerStack;
  readonly #bySize = new Map<number, Place[]>();

  constructor(stack: LayerStack) {
    this.#stack = stack;
  }

  add(place: Place): void {
    const size = this.#stack.tree(place).size(place.index);
    if (size < LEAST_BYTES) return;
    const places = this.#bySize.get(size);
    if (places === undefined) this.#bySize.set(size, [place]);
    else places.push(place);
  }

  /** Most wasteful first. */
  async find(
    fs: Pick<NativeFs, "hashFiles">,
    signal: AbortSignal,
  ): Promise<{ readonly list: readonly DuplicateFiles[]; readonly wastedBytes: number }> {
    const byContent = new Map<string, { readonly sizeBytes: number; readonly places: Place[] }>();
    for (const { place, hash } of await this.#hashed(fs, signal)) {
      const sizeBytes = this.#stack.tree(place).size(place.index);
      const same = byContent.get(hash);
      if (same === undefined) byContent.set(hash, { sizeBytes, places: [place] });
      else same.places.push(place);
    }
    const list = [...byContent.values()]
      .filter(({ places }) => places.length > 1)
      .map((one) => this.#told(one));
    list.sort((a, b) => b.wastedBytes - a.wastedBytes || (firstPath(a) < firstPath(b) ? -1 : 1));
    return { list, wastedBytes: list.reduce((sum, { wastedBytes }) => sum + wastedBytes, 0) };
  }

  async #hashed(
    fs: Pick<NativeFs, "hashFiles">,
    signal: AbortSignal,
  ): Promise<{ readonly place: Place; readonly hash: string }[]> {
    const candidates = [...this.#bySize.values()].filter((places) => places.length > 1).flat();
    const hashed: { place: Place; hash: string }[] = [];
    for (const [layer, { root, tree }] of this.#stack.layers.entries()) {
      const own = candidates.filter((place) => place.layer === layer);
      for (let at = 0; at < own.length; at += BATCH) {
        signal.throwIfAborted();
        const batch = own.slice(at, at + BATCH);
        const hashes = await fs.hashFiles(
          root,
          batch.map(({ index }) => tree.path(index)),
        );
        for (const [n, place] of batch.entries()) {
          hashed.push({ place, hash: hashes.toString("latin1", n * HASH_BYTES, (n + 1) * HASH_BYTES) });
        }
      }
    }
    return hashed;
  }

  #told({
    sizeBytes,
    places,
  }: {
    readonly sizeBytes: number;
    readonly places: readonly Place[];
  }): DuplicateFiles {
    const told = places
      .map((place) => ({ path: `/${this.#stack.path(place)}`, layer: place.layer + 1 }))
      .sort((a, b) => (a.path < b.path ? -1 : 1));
    return { sizeBytes, wastedBytes: sizeBytes * (places.length - 1), places: told };
  }
}

function firstPath({ places }: DuplicateFiles): string {
  return places[0]?.path ?? "";
}
