import type { NativeFs, TreeEntry } from "@tsbuild/native-fs";
import { Largest } from "./largest.ts";
import type { LayerStack, Place } from "./layer-stack.ts";

/** A path that two images have differently. */
export interface PathChange {
  /** Absolute. */
  readonly path: string;
  readonly type: "added" | "removed" | "changed";
  /** Bytes in the other image, and in this one; of an added or removed folder those of all files in it. */
  readonly fromBytes: number;
  readonly toBytes: number;
  /** Regular files, of a folder that was added or removed. */
  readonly files?: number | undefined;
  /** What is different: `type`, `content`, `target`, `mode`, `owner`, `mtime`, `xattrs`, `device`. */
  readonly what?: readonly string[] | undefined;
}

export interface TreeDifference {
  /** Those that matter most for the size first, and at most `TOLD`. */
  readonly paths: readonly PathChange[];
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

/** Changes that are kept: enough for programs, and no more than a few megabytes. */
const TOLD = 10_000;
const S_IFMT = 0o170000;
const TURN = 1000;

interface Pair {
  readonly from: readonly Place[];
  readonly to: readonly Place[];
}

/** What `to` has otherwise than `from`. A folder that the same layers made is not looked into. */
export async function compareTrees(
  fs: Pick<NativeFs, "hashFiles">,
  { from, to }: { readonly from: LayerStack; readonly to: LayerStack },
  signal: AbortSignal,
): Promise<TreeDifference> {
  const work = new Comparison(fs, from, to);
  for (let count = 0; await work.step(); count++) {
    if (count % TURN !== 0) continue;
    await new Promise(setImmediate);
    signal.throwIfAborted();
  }
  return work.finish();
}

class Comparison {
  readonly #fs: Pick<NativeFs, "hashFiles">;
  readonly #from: LayerStack;
  readonly #to: LayerStack;
  readonly #pending: Pair[];
  readonly #counts = { added: 0, removed: 0, changed: 0 };
  readonly #changes = new Largest<PathChange>(TOLD, {
    bytes: ({ fromBytes, toBytes }) => Math.abs(toBytes - fromBytes),
    name: ({ path }) => path,
  });

  constructor(fs: Pick<NativeFs, "hashFiles">, from: LayerStack, to: LayerStack) {
    this.#fs = fs;
    this.#from = from;
    this.#to = to;
    this.#pending = [{ from: from.root(), to: to.root() }];
  }

  finish(): TreeDifference {
    return { paths: this.#changes.list(), ...this.#counts };
  }

  async step(): Promise<boolean> {
    const pair = this.#pending.pop();
    if (pair === undefined) return false;
    const before = namesIn(this.#from, pair.from);
    for (const [name, to] of namesIn(this.#to, pair.to)) {
      const from = before.get(name);
      before.delete(name);
      if (from === undefined) this.#whole("added", this.#to, to);
      else if (!this.#isSame({ from, to })) await this.#both({ from, to });
    }
    for (const from of before.values()) this.#whole("removed", this.#from, from);
    return true;
  }

  /** Made by the same layers: then there is nothing to look for. */
  #isSame({ from, to }: Pair): boolean {
    return (
      from.length === to.length &&
      from.every((place, at) => {
        const other = to[at];
        return (
          other !== undefined &&
          place.index === other.index &&
          this.#from.layers[place.layer]?.id === this.#to.layers[other.layer]?.id
        );
      })
    );
  }

  #tell(change: PathChange): void {
    this.#counts[change.type] += 1;
    this.#changes.add(change);
  }

  #whole(type: "added" | "removed", stack: LayerStack, places: readonly Place[]): void {
    const [place] = places;
    if (place === undefined) return;
    const sum = sumOf(stack, places);
    const [fromBytes, toBytes] = type === "added" ? [0, sum.bytes] : [sum.bytes, 0];
    const files = stack.isFolder(place) ? { files: sum.files } : {};
    this.#tell({ path: `/${stack.path(place)}`, type, fromBytes, toBytes, ...files });
  }

  async #both(pair: Pair): Promise<void> {
    const [from, to] = [entryOf(this.#from, pair.from), entryOf(this.#to, pair.to)];
    const what = attributesOf(from, to);
    const isType = (type: number) => (from.mode & S_IFMT) === type && (to.mode & S_IFMT) === type;
    if (isType(0o040000)) this.#pending.push(pair);
    if (isType(0o100000) && !(await this.#hasSameContent(pair, { from, to }))) what.unshift("content");
    if (what.length === 0) return;
    const [fromBytes, toBytes] = [fileBytes(from), fileBytes(to)];
    this.#tell({ path: `/${to.path}`, type: "changed", fromBytes, toBytes, what });
  }

  async #hasSameContent(
    { from, to }: Pair,
    entries: { readonly from: TreeEntry; readonly to: TreeEntry },
  ): Promise<boolean> {
    if (entries.from.size !== entries.to.size) return false;
    const [a, b] = await Promise.all([this.#hash(this.#from, from), this.#hash(this.#to, to)]);
    return a.equals(b);
  }

  #hash(stack: LayerStack, places: readonly Place[]): Promise<Buffer> {
    const place = topmost(places);
    const layer = stack.layers[place.layer];
    if (layer === undefined) throw new RangeError(`no layer ${place.layer}`);
    return this.#fs.hashFiles(layer.root, [stack.path(place)]);
  }
}

/** What is there in the end, by name. */
function namesIn(stack: LayerStack, folder: readonly Place[]): Map<string, readonly Place[]> {
  const names = new Map<string, readonly Place[]>();
  for (const { name, stretches } of stack.children(folder)) {
    const last = stretches.at(-1);
    if (last !== undefined && last.ended === undefined) names.set(name, last.places);
  }
  return names;
}

function topmost(places: readonly Place[]): Place {
  const place = places.at(-1);
  if (place === undefined) throw new RangeError("a name without an entry");
  return place;
}

function entryOf(stack: LayerStack, places: readonly Place[]): TreeEntry {
  const place = topmost(places);
  return stack.tree(place).entry(place.index);
}

function fileBytes({ mode, size }: TreeEntry): number {
  return (mode & S_IFMT) === 0o100000 ? size : 0;
}

/** Times of folders say nothing: they change with what is in them. */
function attributesOf(from: TreeEntry, to: TreeEntry): string[] {
  if ((from.mode & S_IFMT) !== (to.mode & S_IFMT)) return ["type"];
  const isFolder = (from.mode & S_IFMT) === 0o040000;
  const differences: readonly (readonly [string, boolean])[] = [
    ["target", from.target !== to.target],
    ["device", from.rdevMajor !== to.rdevMajor || from.rdevMinor !== to.rdevMinor],
    ["mode", from.mode !== to.mode],
    ["owner", from.uid !== to.uid || from.gid !== to.gid],
    ["xattrs", xattrsOf(from) !== xattrsOf(to)],
    ["mtime", !isFolder && from.mtimeNs !== to.mtimeNs],
  ];
  return differences.filter(([, isDifferent]) => isDifferent).map(([name]) => name);
}

/** Without overlayfs's own, which tell how layers are stacked and not what is in them. */
function xattrsOf({ xattrs = [] }: TreeEntry): string {
  return xattrs
    .filter(({ name }) => !/^(?:trusted|user)\.overlay\./.test(name))
    .map(({ name, value }) => `${name}=${value.toString("hex")}`)
    .sort()
    .join("\n");
}

/** All regular files of a name, those in its folders included. */
function sumOf(
  stack: LayerStack,
  places: readonly Place[],
): { readonly files: number; readonly bytes: number } {
  let [files, bytes] = [0, 0];
  const pending = [places];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const place = topmost(next);
    if (stack.isFolder(place)) pending.push(...namesIn(stack, next).values());
    else if (stack.tree(place).isFile(place.index)) {
      files += 1;
      bytes += stack.tree(place).size(place.index);
    }
  }
  return { files, bytes };
}
