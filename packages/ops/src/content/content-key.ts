import { type Digest, sha256Fields } from "@tsbuild/base";
import type { TreeEntry } from "@tsbuild/native-fs";
import type { ContentKey, KeyField, Ref } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import { openTree, type SourceTree } from "../tree.ts";
import { digestRoots, isRegular } from "./digest.ts";
import { allVisible, filterEntries, type Visibility, visibilityOf } from "./filter.ts";
import { isFolder, type Located, locate } from "./locate.ts";
import { type IndexedScan, scanContext, scanSnapshot } from "./scan.ts";
import { type Selector, selectorKey } from "./selector.ts";

/** One source that a selector stands for: where it is, and its entries that count. */
export interface Selected {
  readonly located: Located;
  readonly entries: readonly TreeEntry[];
  /** sha256 that a file had when it was digested; undefined when it was never (a snapshot's file cannot change). */
  readonly dataOf?: ((entry: TreeEntry) => Uint8Array) | undefined;
}

function visibilityOfTree(tree: SourceTree): Visibility {
  return tree.kind === "context" ? visibilityOf(tree.context.ignore) : allVisible;
}

/**
 * What a selector stands for in a tree, with entries. For a context, the data digests are there too: what will be copied can be
 * checked against what was hashed.
 */
export async function select(env: OpsEnvironment, tree: SourceTree, selector: Selector): Promise<Selected[]> {
  const visibility = visibilityOfTree(tree);
  const found = locate(env.fs, tree, selector, visibility.visible);
  const selected: Selected[] = [];
  for (const located of found) {
    const scan =
      tree.kind === "context"
        ? await scanContext(env, tree, located)
        : await scanSnapshot(env, tree, located);
    const entries = filterEntries(located, scan.entries, selector, visibility);
    if (tree.kind === "context") await scan.digestData(entries);
    selected.push({ located, entries, dataOf: tree.kind === "context" ? (e) => scan.dataOf(e) : undefined });
  }
  return selected;
}

/** Digest of an input at some selectors; for a context that did not change, without opening a file. */
export async function contentKey(
  env: OpsEnvironment,
  ref: Ref,
  selectors: readonly Selector[],
): Promise<ContentKey> {
  const tree = openTree(env, ref);
  try {
    const parts: Digest[] = [];
    for (const selector of selectors) {
      parts.push(
        tree.kind === "context"
          ? await digestOfContext(env, tree, selector)
          : await digestOfSnapshot(env, tree, selector),
      );
    }
    const digest = parts.length === 1 && parts[0] !== undefined ? parts[0] : sha256Fields(parts);
    return { digest, fields: () => contentFields(env, ref, selectors) };
  } finally {
    tree.close();
  }
}

/** Base name for the key: a file lands under its name, the contents of a folder do not. */
function keyName(located: Located): string {
  return isFolder(located.stat) ? "" : located.asked.slice(located.asked.lastIndexOf("/") + 1);
}

async function digestOfContext(
  env: OpsEnvironment,
  tree: SourceTree & { readonly kind: "context" },
  selector: Selector,
): Promise<Digest> {
  const visibility = visibilityOfTree(tree);
  const found = locate(env.fs, tree, selector, visibility.visible);
  const parts: Digest[] = [];
  for (const located of found) {
    const key = sha256Fields([selectorKey([selector]), located.asked, ...tree.context.ignore]);
    const scan = await scanContext(env, tree, located);
    parts.push(
      (scan.remembered(key) as Digest | undefined) ??
        (await digestScan({ scan, located, selector, visibility, key })),
    );
  }
  return sha256Fields(parts);
}

async function digestScan(options: {
  readonly scan: IndexedScan;
  readonly located: Located;
  readonly selector: Selector;
  readonly visibility: Visibility;
  readonly key: Digest;
}): Promise<Digest> {
  const { scan, located, selector, visibility, key } = options;
  const entries = filterEntries(located, scan.entries, selector, visibility);
  await scan.digestData(entries);
  const root = { name: keyName(located), entries, dataOf: (entry: TreeEntry) => scan.dataOf(entry) };
  const digest = digestRoots([root], { ownerless: true });
  scan.remember(key, digest);
  return digest;
}

/** A snapshot never changes: its digests are kept for good. */
async function digestOfSnapshot(env: OpsEnvironment, tree: SourceTree, selector: Selector): Promise<Digest> {
  const id = tree.kind === "snapshot" ? `${tree.snapshot}` : "scratch";
  const key = `${id} ${selectorKey([selector])}`;
  const known = env.store.memo.get("snapshot-content", key);
  if (known !== undefined) return Buffer.from(known).toString("latin1") as Digest;
  const parts: Digest[] = [];
  for (const located of locate(env.fs, tree, selector, () => true)) {
    const scan = await scanSnapshot(env, tree, located);
    const entries = filterEntries(located, scan.entries, selector, allVisible);
    await scan.digestData(entries);
    parts.push(
      digestRoots([{ name: keyName(located), entries, dataOf: (e) => scan.dataOf(e) }], { ownerless: false }),
    );
  }
  const digest = sha256Fields(parts);
  env.store.memo.set("snapshot-content", key, Buffer.from(digest, "latin1"));
  return digest;
}

// Above this many files an explanation names folders instead: a record must stay small.
const MAX_FIELDS = 1000;

/** What the digest was made of, per file (or per top folder where there are many), to say later what changed. */
async function contentFields(
  env: OpsEnvironment,
  ref: Ref,
  selectors: readonly Selector[],
): Promise<readonly KeyField[]> {
  const tree = openTree(env, ref);
  try {
    const fields: KeyField[] = [];
    for (const selector of selectors) {
      for (const { located, entries, dataOf } of await select(env, tree, selector)) {
        for (const entry of entries) {
          if (isFolder(entry)) continue;
          const path =
            entry.path === ""
              ? located.path
              : located.path === ""
                ? entry.path
                : `${located.path}/${entry.path}`;
          const data =
            isRegular(entry) && dataOf !== undefined
              ? Buffer.from(dataOf(entry)).toString("hex", 0, 8)
              : (entry.target ?? "");
          fields.push({ name: `file:${path}`, value: `${entry.mode.toString(8)} ${data}` });
        }
      }
    }
    return fields.length <= MAX_FIELDS ? fields : byTopFolder(fields);
  } finally {
    tree.close();
  }
}

function byTopFolder(fields: readonly KeyField[]): KeyField[] {
  const groups = new Map<string, string[]>();
  for (const field of fields) {
    const top = field.name.split("/").slice(0, 1).join("/");
    const group = groups.get(top) ?? [];
    group.push(field.name, field.value);
    groups.set(top, group);
  }
  return [...groups]
    .slice(0, MAX_FIELDS)
    .map(([name, values]) => ({ name, value: sha256Fields(values).slice(7, 23) }));
}
