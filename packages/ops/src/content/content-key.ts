import { type Digest, sha256Fields } from "@tsbuild/base";
import type { TreeReader } from "@tsbuild/native-fs";
import type { ContentKey, KeyField, Ref } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import { contextOf } from "../local/context.ts";
import { openTree, type SourceTree, snapshotOf } from "../tree.ts";
import { fileFields, type LocatedParts, MAX_FIELDS, partFields } from "./fields.ts";
import { allVisible, filterEntries, type Visibility, visibilityOf } from "./filter.ts";
import { largeContext } from "./large.ts";
import { isFolder, type Located, locate } from "./locate.ts";
import { onlyFiles } from "./only-files.ts";
import { HASH_BYTES, type Scan, scanTree } from "./scan.ts";
import { type Selector, selectorKey } from "./selector.ts";
import type { StagedFiles } from "./staged.ts";

/** One source that a selector stands for: where it is, and its entries that count. */
export interface Selected {
  readonly located: Located;
  readonly reader: TreeReader;
  /** Indexes into the walk, ascending. */
  readonly chosen: Uint32Array;
  /** sha256 that each entry's file had when it was digested, 32 bytes each; undefined when it was never (a snapshot's file cannot change). */
  readonly hashes?: Buffer | undefined;
  /** Copies of some of its files, for the first who copies them. */
  readonly staged?: StagedFiles | undefined;
}

/**
 * Scans of one op's inputs: the digest and the copy look at the same walk, so that what is copied is what was hashed, and a tree is
 * walked once.
 */
export class Scans {
  readonly #scans = new Map<string, Promise<Scan>>();
  #isCopied = false;

  /** The op will run and copy what is selected: large files of a context are copied while they are digested. To be ended with `close`. */
  expectCopy(): void {
    this.#isCopied = true;
  }

  get isCopied(): boolean {
    return this.#isCopied;
  }

  /** Removes copies that the op has not taken. */
  async close(): Promise<void> {
    for (const scan of await Promise.all(this.#scans.values())) scan.staged?.close();
  }

  get(env: OpsEnvironment, tree: SourceTree, located: Located): Promise<Scan> {
    const key = `${treeName(tree)} ${located.path}`;
    let scan = this.#scans.get(key);
    if (scan === undefined) {
      scan = scanTree(env, tree, located);
      this.#scans.set(key, scan);
    }
    return scan;
  }
}

function treeName(tree: SourceTree): string {
  if (tree.kind === "context") return `context ${tree.context.folder}`;
  return tree.kind === "snapshot" ? tree.snapshot : "scratch";
}

function visibilityOfTree(tree: SourceTree): Visibility {
  return tree.kind === "context" ? visibilityOf(tree.context.ignore) : allVisible;
}

/**
 * What a selector stands for in a tree, with entries. For a context, the data digests are there too: what will be copied can be
 * checked against what was hashed.
 */
export async function select(
  env: OpsEnvironment,
  tree: SourceTree,
  selector: Selector,
  scans: Scans = new Scans(),
): Promise<Selected[]> {
  const visibility = visibilityOfTree(tree);
  const selected: Selected[] = [];
  for (const located of locate(env.fs, tree, selector, visibility.visible)) {
    const scan = await scans.get(env, tree, located);
    const { reader } = scan;
    const chosen = filterEntries(located, reader, selector, visibility);
    if (tree.kind === "context") await scan.digestData(tree, chosen);
    const hashes = tree.kind === "context" ? scan.hashes() : undefined;
    selected.push({ located, reader, chosen, hashes, staged: scan.staged });
  }
  return selected;
}

/** Digest of an input at some selectors; for a context that did not change, without opening a file. */
export async function contentKey(
  env: OpsEnvironment,
  ref: Ref,
  selectors: readonly Selector[],
  scans: Scans = new Scans(),
): Promise<ContentKey> {
  const parts = rememberedParts(env, ref, selectors) ?? (await digestParts(env, ref, selectors, scans));
  const digest = parts.length === 1 && parts[0] !== undefined ? parts[0] : sha256Fields(parts);
  return { digest, fields: () => contentFields(env, ref, selectors, scans) };
}

/** A snapshot never changes: its digests are kept for good, and where all are known it need not be opened. */
function rememberedParts(
  env: OpsEnvironment,
  ref: Ref,
  selectors: readonly Selector[],
): readonly Digest[] | undefined {
  if (contextOf(ref) !== undefined) return undefined;
  const snapshot = snapshotOf(ref);
  if (snapshot === null) return undefined;
  const parts: Digest[] = [];
  for (const selector of selectors) {
    const known = env.store.memo.get(SNAPSHOT_CONTENT, contentName(snapshot, selector));
    if (known === undefined) return undefined;
    parts.push(Buffer.from(known).toString("latin1") as Digest);
  }
  return parts;
}

/** What is not known is about to be copied: the copy looks at the same tree. */
async function digestParts(
  env: OpsEnvironment,
  ref: Ref,
  selectors: readonly Selector[],
  scans: Scans,
): Promise<readonly Digest[]> {
  const tree = await openTree(env, ref, { again: true, only: onlyFiles(selectors) });
  try {
    const parts: Digest[] = [];
    for (const selector of selectors) parts.push(await digestSelector(env, tree, { selector, scans }));
    return parts;
  } finally {
    tree.close();
  }
}

const SNAPSHOT_CONTENT = "snapshot-content";

function contentName(snapshot: string, selector: Selector): string {
  return `${snapshot} ${selectorKey([selector])}`;
}

interface Wanted {
  readonly selector: Selector;
  readonly scans: Scans;
}

/** See `rememberedParts`. A context's digests are kept with its index. */
async function digestSelector(env: OpsEnvironment, tree: SourceTree, wanted: Wanted): Promise<Digest> {
  if (tree.kind === "context") return digestLocated(env, tree, wanted);
  const digest = await digestLocated(env, tree, wanted);
  env.store.memo.set(
    SNAPSHOT_CONTENT,
    contentName(treeName(tree), wanted.selector),
    Buffer.from(digest, "latin1"),
  );
  return digest;
}

async function digestLocated(
  env: OpsEnvironment,
  tree: SourceTree,
  { selector, scans }: Wanted,
): Promise<Digest> {
  const visibility = visibilityOfTree(tree);
  const parts: Digest[] = [];
  for (const located of locate(env.fs, tree, selector, visibility.visible)) {
    const key = scanKey(tree, selector, located);
    const scan = await scans.get(env, tree, located);
    const known = scan.remembered(key) as Digest | undefined;
    const wanted = { env, scan, tree, located, selector, visibility, key, stage: scans.isCopied };
    parts.push(known ?? (await digestScan(wanted)));
  }
  return sha256Fields(parts);
}

function scanKey(tree: SourceTree, selector: Selector, located: Located): Digest {
  const ignore = tree.kind === "context" ? tree.context.ignore : [];
  return sha256Fields([selectorKey([selector]), located.asked, ...ignore]);
}

async function digestScan(options: {
  readonly env: OpsEnvironment;
  readonly scan: Scan;
  readonly tree: SourceTree;
  readonly located: Located;
  readonly selector: Selector;
  readonly visibility: Visibility;
  readonly key: Digest;
  readonly stage: boolean;
}): Promise<Digest> {
  const { env, scan, tree, located, selector, visibility, key, stage } = options;
  const { reader } = scan;
  const chosen = filterEntries(located, reader, selector, visibility);
  // Before the data is read: that is what takes long.
  if (tree.kind === "context" && env.onLargeContext !== undefined) {
    const large = largeContext(tree.context, { located, reader, chosen });
    if (large !== undefined) env.onLargeContext(large);
  }
  await scan.digestData(tree, chosen, { stage });
  const ownerless = tree.kind === "context";
  const wanted = { hashes: scan.hashes(), chosen, name: keyName(located), ownerless };
  const { all, parts } = await env.fs.digestWalk(reader.bytes, wanted);
  const digest = `sha256:${all.toString("hex")}` as Digest;
  scan.parts.set(key, { chosen: chosen.length, parts });
  scan.remember(key, digest);
  return digest;
}

/** Base name for the key: a file lands under its name, the contents of a folder do not. */
function keyName(located: Located): string {
  return isFolder(located.stat) ? "" : located.asked.slice(located.asked.lastIndexOf("/") + 1);
}

/** What the digest was made of, per file (or per top folder where there are many), to say later what changed. */
async function contentFields(
  env: OpsEnvironment,
  ref: Ref,
  selectors: readonly Selector[],
  scans: Scans,
): Promise<readonly KeyField[]> {
  const tree = await openTree(env, ref, { only: onlyFiles(selectors) });
  try {
    const known = await digestedParts(env, tree, { selectors, scans });
    if (known !== undefined && sum(known.map(({ chosen }) => chosen)) > MAX_FIELDS) return partFields(known);
    const selected: Selected[] = [];
    for (const selector of selectors) selected.push(...(await select(env, tree, selector, scans)));
    const ownerless = tree.kind === "context";
    if (sum(selected.map(({ chosen }) => chosen.length)) > MAX_FIELDS)
      return partFields(await Promise.all(selected.map((one) => digestAgain(env, one, ownerless))));
    return [...selected.flatMap((one) => [...fileFields(one, ownerless)])];
  } finally {
    tree.close();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** Undefined when the digests are from an earlier build. */
async function digestedParts(
  env: OpsEnvironment,
  tree: SourceTree,
  { selectors, scans }: { readonly selectors: readonly Selector[]; readonly scans: Scans },
): Promise<readonly LocatedParts[] | undefined> {
  const found: LocatedParts[] = [];
  const { visible } = visibilityOfTree(tree);
  for (const selector of selectors) {
    for (const located of locate(env.fs, tree, selector, visible)) {
      const scan = await scans.get(env, tree, located);
      const parts = scan.parts.get(scanKey(tree, selector, located));
      if (parts === undefined) return undefined;
      found.push({ located, reader: scan.reader, ...parts });
    }
  }
  return found;
}

async function digestAgain(env: OpsEnvironment, one: Selected, ownerless: boolean): Promise<LocatedParts> {
  const { located, reader, chosen, hashes = Buffer.alloc(reader.count * HASH_BYTES) } = one;
  const { parts } = await env.fs.digestWalk(reader.bytes, { hashes, chosen, name: "", ownerless });
  return { located, reader, chosen: chosen.length, parts };
}
