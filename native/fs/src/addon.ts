import { existsSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

type Name = string | Buffer;

/**
 * What `tsbuild-fs.node` exports (addon/module.c). Times are whole seconds and nanoseconds; lists of names come as one block with
 * NULs. `native.ts` makes the public interface of it.
 */
export interface Addon {
  openFolder(path: Name): number;
  close(fd: number): void;
  mountOverlay(
    lowers: readonly Name[],
    upper: Name | undefined,
    work: Name | undefined,
    userxattr: boolean,
    volatileUpper: boolean,
  ): number;
  plainLayer(layers: readonly Name[], path: Name, userxattr: boolean, isFile: boolean): number | undefined;
  mountMemory(): number;
  openInRoot(root: number, path: Name, flags: number, mode: number): number;
  statInRoot(root: number, path: Name, follow: boolean, out: BigInt64Array): boolean;
  pathInRoot(root: number, path: Name): Buffer | undefined;
  readlinkInRoot(root: number, path: Name): Buffer;
  listInRoot(root: number, path: Name): Buffer;
  readFileInRoot(root: number, path: Name, maxBytes: number): Buffer | undefined;
  writeFileInRoot(
    ...args: [root: number, path: Name, data: Uint8Array, mode: number, ...owner: OwnerAndTime]
  ): void;
  symlinkInRoot(...args: [root: number, path: Name, target: Name, ...owner: OwnerAndTime]): void;
  mkdirInRoot(
    ...args: [root: number, path: Name, parents: boolean, mode: number, ...owner: OwnerAndTime]
  ): Buffer;
  removeInRoot(root: number, path: Name): boolean;
  setTimesInRoot(
    root: number,
    path: Name,
    atimeSec: number,
    atimeNsec: number,
    mtimeSec: number,
    mtimeNsec: number,
  ): void;
  setOwnerModeInRoot(root: number, path: Name, uid: number, gid: number, mode: number | undefined): void;
  tryLock(path: Name, exclusive: boolean): number | undefined;
  socketPair(packets: boolean): [number, number];
  sendDescriptors(socket: number, bytes: Uint8Array, fds: Uint8Array): void;
  startProgram(path: Name, task: Name, input: number): [pid: number, errors: number];
  programEnd(pid: number): [status: number, signal: number] | undefined;
  endProcess(status: number): never;
  lockByte(fd: number, offset: number, lock: boolean): boolean;
  sha256(bytes: Uint8Array): string;
  walk(
    root: number,
    path: Name,
    xattrs: boolean,
    depth: number,
    skipPaths: Buffer,
    skipNames: Buffer,
  ): Promise<Buffer>;
  diskUsage(root: number): Promise<Buffer>;
  hashFiles(root: number, paths: Buffer, count: number): Promise<Buffer>;
  readFiles(root: number, paths: Buffer, count: number, maxBytesEach: number): Promise<Buffer>;
  apply(
    root: number,
    source: number,
    ops: Buffer,
    hash: boolean,
    ignoreXattrErrors: boolean,
  ): Promise<Buffer>;
  applyHere(root: number, ops: Buffer): void;
  copyFiles(
    root: number,
    source: number,
    twins: number,
    walk: Buffer,
    picks: Uint8Array,
    hashes: Buffer,
    from: Name,
    to: Name,
    replace: boolean,
    ...owner: OwnerAndTime
  ): Promise<Buffer>;
  pairWalks(before: Buffer, after: Buffer): Promise<Buffer>;
  digestWalk(
    walk: Buffer,
    hashes: Buffer,
    chosen: Uint8Array,
    name: Name,
    ownerless: boolean,
  ): Promise<Buffer>;
  compress(
    zstd: boolean,
    level: number,
    block: Uint8Array,
    output: Uint8Array,
    work: Uint8Array,
  ): Promise<number>;
  sendFileRange(out: number, input: number, offset: number, sizeBytes: number, at?: number): Promise<Buffer>;
  hashNew(): HashState;
  hashUpdate(hash: HashState, bytes: Uint8Array): void;
  hashFileRange(hash: HashState, fd: number, offset: number, sizeBytes: number): Promise<Buffer>;
  hashEnd(hash: HashState): string;
  inflateBestIsIsal(): boolean;
  inflateNew(isal: boolean, checked: boolean): InflateState;
  inflateRun(inflate: InflateState, input: Uint8Array, output: Uint8Array, counts: BigInt64Array): boolean;
  membersOpen(root: number): MembersState;
  /** `counts`: bytes consumed, members made, then a 1 for each of: inside a member, folders to take, others to take. */
  membersRun(members: MembersState, bytes: Uint8Array, counts: BigInt64Array): void;
  membersTakeFolders(members: MembersState): Buffer;
  membersTakeOthers(members: MembersState): Buffer;
  membersClose(members: MembersState): void;
  packingOpen(
    root: number,
    walked: Uint8Array,
    maxFileBytes: number,
    latestSec: number | undefined,
    latestNsec: number | undefined,
  ): PackingState;
  /** `counts`: bytes written, first entry that is the caller's and the one behind its last, then a 1 for each of: ended, changed. */
  packingRun(packing: PackingState, walked: Uint8Array, output: Uint8Array, counts: BigInt64Array): void;
  packingClose(packing: PackingState): void;
  gunzipOpen(fd: number, maxBytes: number): GunzipState;
  /**
   * Returns 0: waits for more of the file, 1: paused, 2: gives bytes, 3: ended. `counts`: from and to of the bytes in the output, members made, bytes
   * of the file read, bytes that came out. `memberCounts`: as of `membersRun`, but for its first two.
   */
  gunzipStep(
    gunzip: GunzipState,
    output: Uint8Array,
    sizeBytes: number,
    isWhole: boolean,
    counts: BigInt64Array,
    members?: MembersState,
    memberCounts?: BigInt64Array,
  ): number;
  gunzipDigest(gunzip: GunzipState): string;
  gunzipClose(gunzip: GunzipState): void;
  forgetRange(fd: number, offset: number, sizeBytes: number): void;
  syncFs(fd: number): Promise<Buffer>;
  fsyncFolder(path: Name): Promise<Buffer>;
}

/** The addon's own. */
export interface HashState {
  readonly isHash: true;
}

/** The addon's own. */
export interface InflateState {
  readonly isInflate: true;
}

/** The addon's own. */
export interface MembersState {
  readonly isMembers: true;
}

/** The addon's own. */
export interface PackingState {
  readonly isPacking: true;
}

/** The addon's own. */
export interface GunzipState {
  readonly isGunzip: true;
}

export type OwnerAndTime = [
  uid: number,
  gid: number,
  mtimeSec: number | undefined,
  mtimeNsec: number | undefined,
];

const FILE = "tsbuild-fs.node";

/** Beside this file (when it is bundled), else where the build script puts it, else beside the bundle that is running. */
export function addonPath(): string {
  const candidates = [join(import.meta.dirname, FILE), join(import.meta.dirname, "../../build", FILE)];
  const found = candidates.find((path) => existsSync(path)) ?? besideScript();
  if (found === undefined) {
    throw new Error(
      `${FILE} is missing (looked for ${candidates.join(", ")}, and beside the program): run \`npm run build\``,
    );
  }
  return found;
}

function besideScript(): string | undefined {
  const script = process.argv[1];
  if (script === undefined || !existsSync(script)) return undefined;
  const path = join(dirname(realpathSync(script)), FILE);
  return existsSync(path) ? path : undefined;
}

let loaded: Addon | undefined;

/** Loaded at the first call, not at import: what needs no addon does not wait for it. */
export function addon(): Addon {
  loaded ??= createRequire(import.meta.url)(addonPath()) as Addon;
  return loaded;
}
