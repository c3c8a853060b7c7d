import { TsbuildError } from "@tsbuild/base";
import type { NodeOptions, PlainMembers, TreeOp, Xattr } from "@tsbuild/native-fs";
import type { TarEntry } from "../tar/entry.ts";
import type { ReadMember } from "../tar/reader.ts";
import { Descendants } from "./descendants.ts";
import { memberPath, parentPath } from "./member-path.ts";
import type { TreeWriter } from "./tree-writer.ts";
import { isImageXattr } from "./whiteout.ts";

/** More members than this are not an image but an attack on memory and inodes. */
const MAX_MEMBERS = 5_000_000;

export interface UnpackerOptions {
  readonly writer: TreeWriter;
  /** Metadata of a folder that the archive needs but does not hold; undefined: there is one already. */
  readonly impliedFolder: (path: string, member: TarEntry) => NodeOptions | undefined;
  /** True: the archive's own root entry sets the metadata of the root. */
  readonly rootMetadata: boolean;
  readonly devices: boolean;
  /** Who makes members beside this, in turn. */
  readonly plain?: Pick<PlainMembers, "takeFolders" | "takeOthers"> | undefined;
}

export function refuse(why: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the archive is damaged: ${why}`);
}

/**
 * Makes tree ops of members. It remembers what it made, because the ops of a member depend on those before it: implied parents, a later
 * entry in place of an earlier, the times of folders (set last: making what is in them changes them).
 */
export class Unpacker {
  readonly #options: UnpackerOptions;
  readonly #folders = new Map<string, bigint | undefined>();
  readonly #others = new Set<string>();
  /** Kept from the first folder on that something replaces: in an honest archive there is none. */
  #below: Descendants | undefined;
  #members = 0;

  constructor(options: UnpackerOptions) {
    this.#options = options;
  }

  /** Folders made, with the time that they get at the end. */
  get folders(): Map<string, bigint | undefined> {
    for (const { path, mtimeNs } of this.#options.plain?.takeFolders() ?? []) {
      this.#folders.set(path, mtimeNs);
      this.#below?.add(path);
    }
    return this.#folders;
  }

  /** Everything else that was made. */
  get others(): Set<string> {
    for (const path of this.#options.plain?.takeOthers() ?? []) {
      this.#others.add(path);
      this.#below?.add(path);
    }
    return this.#others;
  }

  /** Counts members, whoever makes them. */
  count(members: number): void {
    this.#members += members;
    if (this.#members > MAX_MEMBERS) throw refuse(`it has more than ${MAX_MEMBERS} members`);
  }

  #isMade(path: string): boolean {
    return path === "" || this.folders.has(path) || this.others.has(path);
  }

  /** Folders above `path` that nothing has made. A link in their place is left to be followed. Undefined: there is none to wait for. */
  makeParents(path: string, member: TarEntry): Promise<void> | undefined {
    return this.#isMade(parentPath(path)) ? undefined : this.#makeParents(path, member);
  }

  async #makeParents(path: string, member: TarEntry): Promise<void> {
    const missing: string[] = [];
    let parent = parentPath(path);
    for (; !this.#isMade(parent); parent = parentPath(parent)) missing.push(parent);
    // What is there is asked of the disk. It has to know by then what was replaced: folders, or one by the link above these.
    if (missing.length > 0 && (this.#below !== undefined || this.others.has(parent)))
      await this.#options.writer.finish();
    for (const folder of missing.toReversed()) {
      const options = this.#options.impliedFolder(folder, member);
      this.folders.set(folder, options?.mtimeNs);
      this.#below?.add(folder);
      if (options !== undefined)
        await this.#options.writer.add({ ...options, type: "folder", path: folder, existing: "keep" });
    }
  }

  /** What was made at and below `path` is about to be replaced. */
  #forget(path: string): void {
    this.others.delete(path);
    if (!this.folders.delete(path)) return;
    this.#below ??= new Descendants([...this.folders.keys(), ...this.others]);
    for (const known of this.#below.take(path)) {
      this.folders.delete(known);
      this.others.delete(known);
    }
  }

  /** `path`: what `memberPath` makes of the member's. Undefined: there is nothing to wait for, as with most members. */
  add(path: string, member: ReadMember): Promise<void> | undefined {
    const { entry } = member;
    this.count(1);
    if (path === "") return this.#root(entry);
    const isDevice = entry.type === "char" || entry.type === "block";
    if (isDevice && !this.#options.devices) return undefined;
    const making = this.makeParents(path, entry);
    return making === undefined ? this.#place(path, member) : making.then(() => this.#place(path, member));
  }

  #place(path: string, { entry, body }: ReadMember): Promise<void> | undefined {
    if (entry.type === "folder") return this.#folder(path, entry);
    this.#forget(path);
    this.others.add(path);
    this.#below?.add(path);
    const { writer } = this.#options;
    if (entry.type === "file") return writer.file({ path, ...metadata(entry) }, entry, body);
    return writer.add(nodeOp(path, entry));
  }

  #root(entry: TarEntry): Promise<void> | undefined {
    if (entry.type !== "folder") throw refuse(`its root is a ${entry.type}`);
    return this.#options.rootMetadata ? this.#folder("", entry) : undefined;
  }

  #folder(path: string, entry: TarEntry): Promise<void> | undefined {
    this.others.delete(path);
    this.folders.set(path, entry.mtimeNs);
    this.#below?.add(path);
    return this.#options.writer.add({ path, type: "folder", existing: "replace", ...metadata(entry) });
  }

  /** Sets the times of folders; call when all members are there. */
  async finish(): Promise<void> {
    for (const [path, mtimeNs] of this.folders) {
      if (mtimeNs !== undefined)
        await this.#options.writer.add({ type: "times", path, existing: "replace", mtimeNs });
    }
    await this.#options.writer.finish();
  }
}

const NO_XATTRS: readonly Xattr[] = [];

function metadata(entry: TarEntry): NodeOptions & { readonly xattrs: readonly Xattr[] } {
  return {
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtimeNs: entry.mtimeNs,
    // Others would reach into overlayfs (trusted.overlay.redirect, metacopy) or into the host's security policy.
    xattrs: entry.xattrs?.filter((xattr) => isImageXattr(xattr.name)) ?? NO_XATTRS,
  };
}

function nodeOp(path: string, entry: TarEntry): TreeOp {
  const { mode, ...withoutMode } = metadata(entry);
  const place = { path, existing: "replace" } as const;
  switch (entry.type) {
    case "symlink":
      if (entry.target === undefined || entry.target === "")
        throw refuse(`the symbolic link ${path} is empty`);
      return { ...place, ...withoutMode, type: "symlink", target: entry.target, xattrs: [] };
    case "hardlink":
      return { ...place, type: "hardlink", to: memberPath(entry.target ?? "") };
    case "fifo":
      return { ...place, ...withoutMode, mode, type: "node", kind: "fifo", major: 0, minor: 0 };
    default: {
      const kind = entry.type === "char" ? "char" : "block";
      return {
        ...place,
        ...withoutMode,
        mode,
        type: "node",
        kind,
        major: entry.major ?? 0,
        minor: entry.minor ?? 0,
      };
    }
  }
}
