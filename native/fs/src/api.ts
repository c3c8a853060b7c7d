/**
 * What the addon offers. Descriptors are plain numbers, close-on-exec, owned by the caller (`close`). Paths are UTF-8; a name
 * that is not UTF-8 keeps its bytes (lone bytes travel as U+DC80…U+DCFF, Python's "surrogateescape").
 *
 * `…InRoot` calls resolve `path` with openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS): absolute paths, `..` and symbolic links
 * stay beneath `root`, whoever changes the tree meanwhile. "" and "." name the root itself. Failures throw a `NativeFsError`.
 *
 * Calls that return a promise work on a whole batch on libuv's pool and take no lock of JavaScript.
 */
export interface NativeFs {
  // ---- descriptors and mounts
  /** Opens a folder by host path (O_PATH | O_DIRECTORY). */
  openFolder(path: string): number;
  close(fd: number): void;
  /**
   * A detached overlay mount (fsopen/fsmount; not attached to any mount namespace, gone with its last descriptor).
   * `lowers` top first. Without `upper` it is read-only. No lowers: a clone of `upper`; one lower and no upper: a read-only clone
   * of it. redirects are neither made nor followed, metacopy and index are off; `userxattr` for use in a user namespace.
   */
  mountOverlay(options: {
    readonly lowers: readonly string[];
    readonly upper?: string | undefined;
    readonly work?: string | undefined;
    readonly userxattr: boolean;
    /** Overlayfs `volatile`: fsync inside the mount costs nothing. The work folder is good for one mount only. */
    readonly volatile?: boolean | undefined;
  }): number;
  /**
   * Index of the layer (of `layers`, top first, at least one) that alone shows at `path` what all of them do when overlayfs stacks them: the same
   * folders on the way, and a regular file, a folder (but for what is in it) or nothing at its end. `undefined` where it takes overlayfs to tell: for links,
   * special files and whiteouts, and where several layers have a part in the answer. `isFile`: only where there is a regular file.
   */
  plainLayer(
    layers: readonly string[],
    path: string,
    options: { readonly userxattr: boolean; readonly isFile: boolean },
  ): number | undefined;
  /** An empty folder in memory that is never swapped out, as a detached mount; nothing limits its size. */
  mountMemory(): number;
  /** syncfs(): all dirty data of the file system that `fd` (also an O_PATH one) is on. */
  syncFs(fd: number): Promise<void>;
  /**
   * Writes a part of a regular file to where `out` (a file, pipe or device) stands, or to the place `at` of it, inside the kernel; `out`
   * then stands behind it. EIO when the file ends before.
   */
  sendRange(
    out: number,
    from: { readonly fd: number; readonly offset: number; readonly length: number },
    at?: number,
  ): Promise<void>;
  /** fsync() of a folder by host path: makes renames and links in it durable. */
  fsyncFolder(path: string): Promise<void>;

  // ---- single paths in a root
  openInRoot(root: number, path: string, flags: number, mode: number): number;
  /** `undefined` when there is nothing there. `follow` concerns the last component. */
  statInRoot(root: number, path: string, follow: boolean): Stat | undefined;
  /**
   * The path with every link resolved, "" for the root itself; `undefined` when nothing is there. A tree that changes meanwhile can make the answer
   * stale, never wrong in a dangerous way: whoever uses it resolves it beneath the root again, without following links.
   */
  pathInRoot(root: number, path: string): string | undefined;
  readlinkInRoot(root: number, path: string): string;
  /** Names in a folder, sorted by bytes, without `.` and `..`. */
  listInRoot(root: number, path: string): string[];
  /** Whole content of a regular file; EFBIG above `maxBytes`, ENOENT as `undefined`. */
  readFileInRoot(root: number, path: string, maxBytes: number): Buffer | undefined;
  /**
   * Creates a folder and missing parents; those made get mode, owner and (if given) time, exactly, whatever the umask is. Returns
   * the paths made, outermost first. A folder that exists is left alone; anything else in the way throws ENOTDIR. Links are
   * followed; of one that leads nowhere the target is made (its path is then written from the link's folder: "d/../target").
   */
  mkdirInRoot(root: number, path: string, options: NodeOptions & { readonly parents: boolean }): string[];
  /** Removes a tree (or one entry). Missing: returns false. Never follows links, never crosses into another mount. */
  removeInRoot(root: number, path: string): boolean;
  /** The last component is not followed. */
  setTimesInRoot(root: number, path: string, atimeNs: bigint, mtimeNs: bigint): void;
  /** Owner, then mode (not of symbolic links; left as it is when not given). The last component is not followed. */
  setOwnerModeInRoot(
    root: number,
    path: string,
    options: { readonly uid: number; readonly gid: number; readonly mode?: number | undefined },
  ): void;
  /**
   * Writes a file under a temporary name in the same folder and renames it into place: readers see the old content or the
   * new. A link in the last component is replaced, not followed; a folder there throws EISDIR.
   */
  writeFileInRoot(root: number, path: string, data: Uint8Array, options: NodeOptions): void;
  /** EEXIST when something is there. */
  symlinkInRoot(root: number, path: string, target: string, options: Omit<NodeOptions, "mode">): void;

  // ---- whole trees
  /**
   * What the folder `root` and all below it take on disk, in bytes of blocks; files with several names once, and not at all when their inodes
   * are in `seen`, where those that are counted go.
   */
  diskUsage(root: number, seen: Set<number>): Promise<number>;
  /**
   * All entries below `path` (itself first, as ""), depth first, names in byte order: see `TreeEntry`. Regular files of other
   * mounts are included, mounts are not entered. `xattrs`: also reads user.*, security.capability, trusted.overlay.* and
   * user.overlay.*. `depth` 1: only the folder's own entries. `skip`: leaves out entries with all that is below them, by path from
   * the walked one (`a/b`) or by name at any depth. An unchanged tree gives the same bytes again; not so from one overlay
   * mount to the next, whose devices and inodes are numbered anew.
   */
  walk(
    root: number,
    path: string,
    options: {
      readonly xattrs: boolean;
      readonly depth?: number;
      readonly skip?: { readonly paths: readonly string[]; readonly names: readonly string[] } | undefined;
    },
  ): Promise<Buffer>;
  /** sha256 of each regular file, 32 bytes per path, in order. Opened without following any link. */
  hashFiles(root: number, paths: readonly string[]): Promise<Buffer>;
  /** Contents of small files; for a whole layer's small files at once. Same opening rules as `hashFiles`. */
  readFiles(root: number, paths: readonly string[], maxBytesEach: number): Promise<Buffer[]>;
  /**
   * Performs a batch of `TreeOp`s (made with `encodeTreeOps`) below `root`, in order. File content comes from `source`, a second
   * root (-1 when no op copies). Returns sha256 of each copied file (32 bytes per copy-op, in order) computed on the bytes that
   * were written (empty without `hash`). Stops at the first failure; the error's `index` is that of the op. A malformed batch is
   * EINVAL before anything is done. `ignoreXattrErrors` (D103): extended attributes that the target refuses are left out.
   */
  apply(
    root: number,
    source: number,
    ops: Buffer,
    options: { readonly hash: boolean; readonly ignoreXattrErrors?: boolean | undefined },
  ): Promise<Buffer>;

  /** As `apply`, on the thread that asks, for ops without a source: where all processors are busy, to change threads takes longer than small batches. */
  applyHere(root: number, ops: Buffer): void;

  /**
   * Copies regular files of a walked tree from `source` to `root`, in order and without an object for each; the folders must be there. Throws
   * ESTALE for a file that is not what it must hash to; the `index` of an error is that of the pick. Content as `apply` copies it,
   * without extended attributes.
   */
  copyFiles(
    roots: { readonly root: number; readonly source: number; readonly twins?: number | undefined },
    files: WalkedFiles,
  ): Promise<void>;

  /**
   * Which entries two walks have at the same path, per entry of `after`: 0 for none, else its index in `before` plus 1. With `SAME_RECORD`
   * added: the same in all that a walk tells of it (inode, times, attributes and all) but where it is.
   */
  pairWalks(before: Buffer, after: Buffer): Promise<Uint32Array>;
  /**
   * sha256 of chosen entries of a walk: paths, types, modes, owners, sizes, targets, devices, attributes that belong to content, and what
   * `hashes` (32 bytes per entry) say of files. No times, no inodes.
   */
  digestWalk(walk: Buffer, options: DigestedWalk): Promise<WalkDigests>;

  // ---- locks
  /** Opens (creating 0600) and flock()s a file without waiting; `undefined` when another holds it. The kernel releases it with the process. */
  tryLock(path: string, mode: "shared" | "exclusive"): number | undefined;
  /**
   * Locks or unlocks one byte of an open file without waiting; there need be no such byte. False when another descriptor (here or in another
   * process) has it. The kernel releases it with the descriptor. Within one descriptor nothing is refused.
   */
  lockByte(fd: number, offset: number, lock: boolean): boolean;

  // ---- sockets
  /** Two connected local sockets: a stream of bytes, or packets with bounds. */
  socketPair(kind: "stream" | "packets"): readonly [number, number];
  /**
   * Sends bytes, and with them descriptors (at most 253) that stay the caller's too. Does not wait: EAGAIN when the other side has too much
   * unread, ETOOMANYREFS when too many descriptors are under way, EPIPE when nobody listens.
   */
  sendDescriptors(socket: number, bytes: Uint8Array, fds: readonly number[]): void;

  // ---- programs
  /**
   * Starts a program (absolute path) with one argument, in "/", with an empty environment and `input` as its standard input. Without a copy of this
   * process's memory, as node:child_process makes one: that takes 4 ms. `errors` reads its standard error. Nobody waits for it but `programEnd`.
   */
  startProgram(path: string, task: string, input: number): { readonly pid: number; readonly errors: number };
  /** How a program ended; `undefined` while it runs. To be asked until it tells: only then the process is gone. After that ECHILD. */
  programEnd(pid: number): { readonly status: number; readonly signal: number } | undefined;
  /** _exit(): this process ends here and now, whatever its other threads do. What Node has still to write is lost. */
  endProcess(status: number): never;

  // ---- memory
  /** sha256 in hex. What node:crypto does too; but that takes 5 ms to load, a tenth of a whole cached build. */
  sha256(bytes: Uint8Array): string;
}

/** Files of a walked tree, and how they are copied. */
export interface WalkedFiles {
  /** What `walk` returned for `from` below the source. */
  readonly walk: Buffer;
  /**
   * Pairs: index of the entry, permission bits. With `TWIN` added: a file that is below `twins` at the path where the copy goes, equal in
   * every respect. It is linked from there (both then have two names), or copied where that does not work.
   */
  readonly picks: Uint32Array;
  /** sha256 of each entry of the walk, 32 bytes each: what is copied must hash to that. Not given: nothing is hashed. */
  readonly hashes?: Buffer | undefined;
  readonly from: string;
  readonly to: string;
  readonly existing: "replace" | "copy";
  /** Not given: as in the walk. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  readonly mtimeNs?: bigint | undefined;
}

export interface DigestedWalk {
  readonly hashes: Buffer;
  /** Indexes, ascending. */
  readonly chosen: Uint32Array;
  /** Part of the digest of all. */
  readonly name: string;
  /** Everything belongs to 0:0. */
  readonly ownerless: boolean;
}

export interface WalkDigests {
  /** 32 bytes. */
  readonly all: Buffer;
  /** Of the start itself (index 0) and of each of its entries, with what is below that. */
  readonly parts: readonly { readonly index: number; readonly digest: Buffer }[];
}

/** Every failure of the addon: as Node's own system errors, `errno` negative. */
export interface NativeFsError extends Error {
  /** "ENOENT" */
  readonly code: string;
  readonly errno: number;
  /** The system call that failed, e.g. "openat2". */
  readonly syscall: string;
  readonly path?: string | undefined;
  /** Of the op or path in a batch. */
  readonly index?: number | undefined;
}

export interface NodeOptions {
  /** Permission bits incl. setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeNs?: bigint | undefined;
}

export interface Stat {
  /** Type and permission bits (S_IFMT | 07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  readonly dev: bigint;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly nlink: number;
}

/** One decoded record of `walk`. */
export interface TreeEntry extends Stat {
  /** Relative to the walked path, `/`-separated, "" for itself. */
  readonly path: string;
  /** Symbolic links only. */
  readonly target?: string | undefined;
  readonly xattrs?: readonly Xattr[] | undefined;
}

export interface Xattr {
  readonly name: string;
  readonly value: Buffer;
}

/** How an op treats what is already at its path. */
export type Existing =
  /** Fail with EEXIST. */
  | "error"
  /** Replace it, whatever it is (layers: a later entry wins); a folder stays a folder and takes the new metadata. */
  | "replace"
  /** COPY: non-folders are replaced by non-folders; folder against non-folder throws (D099). */
  | "copy"
  /** Folders only: leave an existing folder as it is (D098 top level). */
  | "keep";

export type TreeOp = {
  /** Below the root. Missing parents are made 0755 0:0 when `makeParents` is set. */
  readonly path: string;
  readonly existing: Existing;
  readonly makeParents?: boolean | undefined;
  readonly xattrs?: readonly Xattr[] | undefined;
} & (
  | ({ readonly type: "folder" } & NodeOptions)
  /** Content of `from` below the source root: reflink, else copy_file_range, else read/write; holes are kept. */
  | ({ readonly type: "copy"; readonly from: string } & NodeOptions)
  /** The file `from` itself, from below the source root, where it then is no more; a copy of it where file systems differ. */
  | ({ readonly type: "move"; readonly from: string } & NodeOptions)
  | ({ readonly type: "file"; readonly data: Uint8Array } & NodeOptions)
  | ({ readonly type: "symlink"; readonly target: string } & Omit<NodeOptions, "mode">)
  /** `to`: path of the existing file below the same root; its last component is not followed. */
  | { readonly type: "hardlink"; readonly to: string }
  | ({
      readonly type: "node";
      readonly kind: "fifo" | "char" | "block" | "socket";
      readonly major: number;
      readonly minor: number;
    } & NodeOptions)
  /** Overlay whiteout (char device 0:0; where that is refused, an empty file with `user.overlay.whiteout`) or, on a folder that exists, the opaque xattr. */
  | { readonly type: "whiteout" }
  | { readonly type: "opaque"; readonly userxattr: boolean }
  | { readonly type: "remove" }
  /** Only sets times, e.g. of a folder after its children were made. */
  | { readonly type: "times"; readonly mtimeNs: bigint }
);
