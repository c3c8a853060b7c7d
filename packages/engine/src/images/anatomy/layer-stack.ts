import { type NativeFs, TreeReader } from "@tsbuild/native-fs";
import { isOpaque, isWhiteout } from "@tsbuild/oci";

/** A layer folder, open and walked: bytes and no object per file. */
export interface WalkedLayer {
  /** Row of the folder in the store: layers with the same one are the same. */
  readonly id: number;
  readonly root: number;
  readonly tree: TreeReader;
}

/** An entry of one layer. */
export interface Place {
  /** From the bottom; the first is 0. */
  readonly layer: number;
  readonly index: number;
}

export type Disappearance = "deleted" | "overwritten";

/** What a name stood for, until it was deleted or became something else: a file of one layer, or a folder of several. */
export interface Stretch {
  /** Bottom first. */
  readonly places: readonly Place[];
  /** The layer that ended it; absent for what is there in the end. */
  readonly ended?: { readonly layer: number; readonly how: Disappearance } | undefined;
}

/** The layers of an image, bottom first, seen name by name, as overlayfs stacks them. */
export class LayerStack {
  readonly layers: readonly WalkedLayer[];
  readonly #fs: Pick<NativeFs, "close">;

  private constructor(fs: Pick<NativeFs, "close">, layers: readonly WalkedLayer[]) {
    this.#fs = fs;
    this.layers = layers;
  }

  static async open(
    fs: Pick<NativeFs, "openFolder" | "walk" | "close">,
    folders: readonly { readonly id: number; readonly folder: string }[],
  ): Promise<LayerStack> {
    const layers: WalkedLayer[] = [];
    try {
      for (const { id, folder } of folders) {
        layers.push(await walked(fs, { id, folder }));
      }
      return new LayerStack(fs, layers);
    } catch (error) {
      for (const { root } of layers) fs.close(root);
      throw error;
    }
  }

  close(): void {
    for (const { root } of this.layers) this.#fs.close(root);
  }

  /** The root folder, which every layer has. */
  root(): readonly Place[] {
    return this.layers.map((_, layer) => ({ layer, index: 0 }));
  }

  /** The walk that `place` is an entry of. */
  tree(place: Place): TreeReader {
    const layer = this.layers[place.layer];
    if (layer === undefined) throw new RangeError(`no layer ${place.layer}`);
    return layer.tree;
  }

  isFolder(place: Place): boolean {
    return this.tree(place).isFolder(place.index);
  }

  path(place: Place): string {
    return this.tree(place).path(place.index);
  }

  /** Each name in a folder that several layers have a part in, with all that it ever stood for, bottom first. */
  *children(folder: readonly Place[]): Generator<{ readonly name: string; readonly stretches: Stretch[] }> {
    const byName = new Map<string, Place[]>();
    for (const place of folder) {
      const tree = this.tree(place);
      const end = tree.end(place.index);
      for (let index = place.index + 1; index < end; index = tree.end(index)) {
        const name = tree.name(index);
        const places = byName.get(name) ?? [];
        places.push({ layer: place.layer, index });
        byName.set(name, places);
      }
    }
    for (const [name, places] of byName) yield { name, stretches: this.#stretches(places) };
  }

  #stretches(places: readonly Place[]): Stretch[] {
    const stretches: Stretch[] = [];
    let open: Place[] = [];
    const end = (layer: number, how: Disappearance) => {
      if (open.length > 0) stretches.push({ places: open, ended: { layer, how } });
      open = [];
    };
    for (const place of places) {
      if (this.#isWhiteout(place)) {
        end(place.layer, "deleted");
        continue;
      }
      const isMerged =
        open.every((one) => this.isFolder(one)) && this.isFolder(place) && !this.#isOpaque(place);
      if (!isMerged) end(place.layer, "overwritten");
      open.push(place);
    }
    if (open.length > 0) stretches.push({ places: open });
    return stretches;
  }

  #isWhiteout(place: Place): boolean {
    const tree = this.tree(place);
    const { index } = place;
    if (tree.isWhiteout(index)) return true;
    return tree.hasXattrs(index) && !tree.isFolder(index) && isWhiteout(tree.entry(index));
  }

  #isOpaque(place: Place): boolean {
    const tree = this.tree(place);
    return tree.hasXattrs(place.index) && isOpaque(tree.entry(place.index));
  }
}

async function walked(
  fs: Pick<NativeFs, "openFolder" | "walk" | "close">,
  { id, folder }: { readonly id: number; readonly folder: string },
): Promise<WalkedLayer> {
  const root = fs.openFolder(folder);
  try {
    return { id, root, tree: new TreeReader(await fs.walk(root, "", { xattrs: true })) };
  } catch (error) {
    fs.close(root);
    throw error;
  }
}
