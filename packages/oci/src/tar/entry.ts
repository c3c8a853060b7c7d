import type { Xattr } from "@tsbuild/native-fs";

export type TarEntryType = "file" | "folder" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** One member of a tar archive, whatever header records it takes to say so. */
export interface TarEntry {
  /** `/`-separated, no trailing slash; lone bytes that are not UTF-8 as U+DC80…U+DCFF. As found in the archive when read. */
  readonly path: string;
  readonly type: TarEntryType;
  /** Permission bits incl. setuid, setgid, sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but files. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Of symbolic links: the text of the link. Of hard links: path of the earlier member. */
  readonly target?: string | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly xattrs?: readonly Xattr[] | undefined;
}

/**
 * Bytes of a regular file in place of a chunk that holds them, so that they need not pass through memory. The descriptor is open until the
 * next piece is asked for.
 */
export interface FileRange {
  readonly fd: number;
  readonly offset: number;
  /** In bytes, as that of a chunk. */
  readonly length: number;
}

/** A part of an archive: its bytes, or where they are. */
export type TarPiece = Uint8Array | FileRange;

export interface TarPieceMember {
  readonly entry: TarEntry;
  readonly body?: Uint8Array | AsyncIterable<TarPiece> | undefined;
}

/** A member with its content: whole when small, else as a stream of exactly `entry.size` bytes. */
export interface TarMember {
  readonly entry: TarEntry;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array> | undefined;
}
