import { inUserNamespace, type NodeOptions } from "@tsbuild/native-fs";
import { decompress } from "../compression/decompress.ts";
import type { TarEntry } from "../tar/entry.ts";
import { readTar } from "../tar/reader.ts";
import { memberPath } from "./member-path.ts";
import { TreeWriter, type WriteCalls } from "./tree-writer.ts";
import { Unpacker } from "./unpacker.ts";

export interface UnpackArchiveOptions {
  readonly fs: WriteCalls;
  /** Owner of all that is made, in place of the archive's (ADD --chown, D110). */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
  /** False: device nodes are left out. Default: so in a user namespace, where the kernel lets nobody make one; a step's /dev is its own. */
  readonly devices?: boolean | undefined;
  /** Changes a member's metadata, or leaves it out (undefined). `entry.path` is below the destination, without `./`. */
  readonly map?: ((entry: TarEntry) => TarEntry | undefined) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

function impliedFolder(
  root: number,
  options: UnpackArchiveOptions,
  path: string,
  member: TarEntry,
): NodeOptions | undefined {
  const stat = options.fs.statInRoot(root, path, true);
  if (stat !== undefined && (stat.mode & S_IFMT) === S_IFDIR) return undefined;
  return { mode: 0o755, ...(options.owner ?? { uid: 0, gid: 0 }), mtimeNs: member.mtimeNs };
}

/**
 * Unpacks an uncompressed tar into the folder behind the descriptor `root` (ADD of a local archive, a context from stdin, import). Files
 * in the way are replaced, folders merged; the folder itself keeps its metadata whatever the archive's `.` entry says.
 * `.wh.` names are names. Nothing gets out of `root`, symbolic links included. Returns the number of members made.
 */
export async function unpackArchive(
  stream: AsyncIterable<Uint8Array>,
  root: number,
  options: UnpackArchiveOptions,
): Promise<number> {
  const writer = new TreeWriter(options.fs, root);
  const unpacker = new Unpacker({
    writer,
    impliedFolder: (path, member) => impliedFolder(root, options, path, member),
    rootMetadata: false,
    devices: options.devices ?? !inUserNamespace(),
  });
  let members = 0;
  try {
    for await (const { entry, body } of readTar(stream)) {
      options.signal?.throwIfAborted();
      const placed = { ...entry, path: memberPath(entry.path), ...options.owner };
      const mapped = options.map === undefined ? placed : options.map(placed);
      if (mapped === undefined) continue;
      await unpacker.add(memberPath(mapped.path), { entry: mapped, body });
      members += 1;
    }
    await unpacker.finish();
  } finally {
    await writer.settle();
  }
  return members;
}

const BLOCK = 512;
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

/** True when `block` is a tar header: its checksum is right (a block of zeros is none). */
function isTarHeader(block: Uint8Array): boolean {
  if (block.length < BLOCK) return false;
  const field = Buffer.from(block.subarray(CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES)).toString("latin1");
  const digits = /^[ \0]*([0-7]+)[ \0]*$/.exec(field)?.[1];
  let sum = 0;
  for (const [index, byte] of block.subarray(0, BLOCK).entries()) {
    sum += index >= CHECKSUM_AT && index < CHECKSUM_AT + CHECKSUM_BYTES ? 0x20 : byte;
  }
  return digits !== undefined && Number.parseInt(digits, 8) === sum;
}

/** True when `stream` is a tar, compressed or not: by content, as ADD decides (D110). Reads no more than it takes to tell. */
export async function isArchive(stream: AsyncIterable<Uint8Array>): Promise<boolean> {
  let head = Buffer.alloc(0);
  try {
    for await (const chunk of decompress(stream)) {
      head = Buffer.concat([head, chunk]);
      if (head.length >= BLOCK) break;
    }
  } catch (error) {
    // What cannot be decompressed is a plain file to ADD; a source that cannot be read is an error.
    if ((error as { readonly code?: unknown }).code === "TSB_INTEGRITY") return false;
    throw error;
  }
  return isTarHeader(head);
}
