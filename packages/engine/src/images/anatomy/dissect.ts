import type { NativeFs } from "@tsbuild/native-fs";
import { Duplicates } from "./duplicates.ts";
import { Largest } from "./largest.ts";
import type { Disappearance, LayerStack, Place, Stretch } from "./layer-stack.ts";
import type { DuplicateFiles, LayerFile, WastedFiles } from "./types.ts";

/** What the files of the layers come to. */
export interface Dissection {
  /** Per layer, bottom first. */
  readonly layers: readonly LayerSums[];
  readonly largest: readonly LayerFile[];
  readonly wasted: readonly WastedFiles[];
  readonly duplicates: readonly DuplicateFiles[];
  readonly duplicateBytes: number;
}

export interface LayerSums {
  files: number;
  fileBytes: number;
  wastedBytes: number;
}

/** Sums up what one disappearance took out of sight. */
interface Loss {
  readonly path: string;
  readonly by: number;
  readonly how: Disappearance;
  readonly layers: Set<number>;
  files: number;
  sizeBytes: number;
}

/** A folder whose names are still to be looked at. */
interface Pending {
  readonly places: readonly Place[];
  /** Set when the folder itself is gone in the end. */
  readonly loss: Loss | undefined;
}

/** How many are told of each kind. */
const TOLD = 20;
/** Folders between two looks at whether all this is still wanted. */
const TURN = 1000;

/** Looks at every name of all layers once. Memory: the walks of the layers, and the names of one folder at a time. */
export async function dissect(
  fs: Pick<NativeFs, "hashFiles">,
  stack: LayerStack,
  signal: AbortSignal,
): Promise<Dissection> {
  const work = new Dissector(stack);
  for (let count = 0; work.step(); count++) {
    if (count % TURN !== 0) continue;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
  return work.finish(fs, signal);
}

class Dissector {
  readonly #stack: LayerStack;
  readonly #sums: LayerSums[];
  /** Inodes of files with several names, per layer: they are in it once. */
  readonly #linked: Set<bigint>[];
  readonly #largest = new Largest<LayerFile>(TOLD, {
    bytes: (file) => file.sizeBytes,
    name: (file) => file.path,
  });
  readonly #wasted = new Largest<Loss>(TOLD, { bytes: (loss) => loss.sizeBytes, name: (loss) => loss.path });
  /** Of folders: complete only when all is looked at. */
  readonly #losses: Loss[] = [];
  readonly #duplicates: Duplicates;
  readonly #pending: Pending[];

  constructor(stack: LayerStack) {
    this.#stack = stack;
    this.#sums = stack.layers.map(() => ({ files: 0, fileBytes: 0, wastedBytes: 0 }));
    this.#linked = stack.layers.map(() => new Set());
    this.#duplicates = new Duplicates(stack);
    this.#pending = [{ places: stack.root(), loss: undefined }];
  }

  /** One folder; false when there is none left. A list and no recursion: trees may be deeper than the call stack. */
  step(): boolean {
    const pending = this.#pending.pop();
    if (pending === undefined) return false;
    for (const { stretches } of this.#stack.children(pending.places)) {
      for (const stretch of stretches) this.#stretch(stretch, pending.loss);
    }
    return true;
  }

  async finish(fs: Pick<NativeFs, "hashFiles">, signal: AbortSignal): Promise<Dissection> {
    for (const loss of this.#losses) if (loss.sizeBytes > 0) this.#wasted.add(loss);
    const found = await this.#duplicates.find(fs, signal);
    return {
      layers: this.#sums,
      largest: this.#largest.list(),
      wasted: this.#wasted.list().map(({ layers, by, ...loss }) => ({
        ...loss,
        by: by + 1,
        layers: [...layers].sort((a, b) => a - b).map((layer) => layer + 1),
      })),
      duplicates: found.list.slice(0, TOLD),
      duplicateBytes: found.wastedBytes,
    };
  }

  #stretch({ places, ended }: Stretch, outer: Loss | undefined): void {
    const [place] = places;
    if (place === undefined) return;
    const isFolder = this.#stack.isFolder(place);
    const loss = ended === undefined ? outer : this.#newLoss(place, ended);
    if (isFolder) {
      if (ended !== undefined && loss !== undefined) this.#losses.push(loss);
      this.#pending.push({ places, loss });
      return;
    }
    this.#file(place, loss);
    // A single file's loss is whole at once, and most are soon forgotten.
    if (ended !== undefined && loss !== undefined && loss.sizeBytes > 0) this.#wasted.add(loss);
  }

  #newLoss(place: Place, { layer, how }: NonNullable<Stretch["ended"]>): Loss {
    return { path: `/${this.#stack.path(place)}`, by: layer, how, layers: new Set(), files: 0, sizeBytes: 0 };
  }

  #file(place: Place, loss: Loss | undefined): void {
    const tree = this.#stack.tree(place);
    const { layer, index } = place;
    const sums = this.#sums[layer];
    if (sums === undefined || !tree.isFile(index) || this.#isOtherName(place)) return;
    const sizeBytes = tree.size(index);
    sums.files += 1;
    sums.fileBytes += sizeBytes;
    this.#largest.add({ path: `/${tree.path(index)}`, layer: layer + 1, sizeBytes });
    if (loss === undefined) this.#duplicates.add(place);
    else {
      sums.wastedBytes += sizeBytes;
      loss.files += 1;
      loss.sizeBytes += sizeBytes;
      loss.layers.add(layer);
    }
  }

  #isOtherName({ layer, index }: Place): boolean {
    const tree = this.#stack.tree({ layer, index });
    if (tree.nlink(index) < 2) return false;
    const seen = this.#linked[layer];
    const inode = tree.ino(index);
    if (seen === undefined || seen.has(inode)) return true;
    seen.add(inode);
    return false;
  }
}
