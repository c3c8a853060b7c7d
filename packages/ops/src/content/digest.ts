import { createHash } from "node:crypto";
import type { Digest } from "@tsbuild/base";
import type { TreeEntry } from "@tsbuild/native-fs";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

export function isRegular(entry: { readonly mode: number }): boolean {
  return (entry.mode & S_IFMT) === S_IFREG;
}

/** Attributes that belong to the content of a file: what users set, and file capabilities (V015). */
export function isContentXattr(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}

/** One matched source: its name and what is below it, in the order of the walk. */
export interface DigestRoot {
  /** Base name; part of the key, since COPY puts a file under its name (D114). "" when only contents are taken. */
  readonly name: string;
  readonly entries: readonly TreeEntry[];
  /** sha256 of the data of regular files, by path. */
  readonly dataOf: (entry: TreeEntry) => Uint8Array;
}

/**
 * Digest of chosen files (D114, V015). In: path, type, mode, owner, size, link target, device, xattrs, data. Out: mtime and ctime
 * (a touch must not rebuild), inode and link count (a copy of the tree is the same content). Every field is length-framed: a file
 * name can never swallow its neighbour.
 *
 * `ownerless`: the files come from a local context, where COPY gives everything to 0:0 (D100).
 */
export function digestRoots(roots: readonly DigestRoot[], options: { readonly ownerless: boolean }): Digest {
  const hash = createHash("sha256");
  for (const root of roots) {
    hash.update(`root ${framed(root.name)} ${root.entries.length}\n`);
    for (const entry of root.entries) {
      hash.update(headerOf(entry, options.ownerless));
      if (isRegular(entry)) hash.update(root.dataOf(entry));
      for (const xattr of entry.xattrs ?? []) {
        if (isContentXattr(xattr.name))
          hash.update(`x ${framed(xattr.name)} ${xattr.value.length}:`).update(xattr.value);
      }
    }
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}

function framed(text: string): string {
  return `${text.length}:${text}`;
}

function headerOf(entry: TreeEntry, ownerless: boolean): string {
  const owner = ownerless ? "0:0" : `${entry.uid}:${entry.gid}`;
  // The size of a folder is an accident of the file system.
  const size = isRegular(entry) ? entry.size : 0;
  const target = entry.target === undefined ? "-" : framed(entry.target);
  return `e ${framed(entry.path)} ${entry.mode} ${owner} ${size} ${target} ${entry.rdevMajor}:${entry.rdevMinor}\n`;
}
