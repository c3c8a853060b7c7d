import { constants } from "node:fs";
import { copyFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Digest, digestHex } from "@tsbuild/base";
import { makeFolders } from "@tsbuild/native-fs";
import { serializeIndex } from "../documents/serialize.ts";
import { readFileReusing } from "../read-file.ts";
import type { TarEntry, TarPiece, TarPieceMember } from "../tar/entry.ts";
import { rangesOfFile } from "../tar/ranges.ts";
import { memberBytes } from "../tar/writer.ts";
import type { Descriptor, Index } from "../types.ts";

/** A stream of exactly `size` bytes, opened once: as bytes, or (for archives) with ranges of files among them. */
export interface OpenedOnce {
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly openPieces?: (() => AsyncIterable<TarPiece>) | undefined;
}

/** A blob of a layout: bytes at hand, a file, or a stream. */
export type LayoutBlob = Pick<Descriptor, "digest" | "size"> &
  ({ readonly bytes: Uint8Array } | { readonly path: string } | OpenedOnce);

export interface LayoutContents {
  readonly index: Index;
  readonly blobs: readonly LayoutBlob[];
  /** Further files at the top, e.g. docker's manifest.json. */
  readonly extra?: readonly { readonly name: string; readonly bytes: Uint8Array }[] | undefined;
}

const LAYOUT_FILE = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

interface LayoutFile {
  readonly name: string;
  readonly size: number;
  readonly content: Uint8Array | { readonly path: string } | OpenedOnce;
}

function blobPath(digest: Digest): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

function blobFile(blob: LayoutBlob): LayoutFile {
  return { name: blobPath(blob.digest), size: blob.size, content: "bytes" in blob ? blob.bytes : blob };
}

/** Files of a layout, each blob once. The small documents come first, for readers that stream. */
function layoutFiles({ index, blobs, extra = [] }: LayoutContents): LayoutFile[] {
  const documents = [
    { name: "oci-layout", bytes: LAYOUT_FILE },
    { name: "index.json", bytes: serializeIndex(index) },
    ...extra,
  ].map(({ name, bytes }) => ({ name, size: bytes.length, content: bytes }));
  const unique = [...new Map(blobs.map((blob) => [blob.digest, blob])).values()];
  return [...documents, ...unique.map(blobFile)];
}

function bodyOf(file: LayoutFile): Uint8Array | AsyncIterable<Uint8Array> {
  if (file.content instanceof Uint8Array) return file.content;
  return "path" in file.content ? readFileReusing(file.content.path) : file.content.open();
}

function piecesOf(file: LayoutFile): Uint8Array | AsyncIterable<TarPiece> {
  if (file.content instanceof Uint8Array) return file.content;
  if ("path" in file.content) return rangesOfFile(file.content.path, file.size);
  return (file.content.openPieces ?? file.content.open)();
}

function entryOf(path: string, type: "file" | "folder", size: number): TarEntry {
  return { path, type, mode: type === "file" ? 0o644 : 0o755, uid: 0, gid: 0, size, mtimeNs: 0n };
}

function* layoutEntries(contents: LayoutContents): Generator<{ entry: TarEntry; file?: LayoutFile }> {
  yield { entry: entryOf("blobs", "folder", 0) };
  yield { entry: entryOf("blobs/sha256", "folder", 0) };
  for (const file of layoutFiles(contents)) yield { entry: entryOf(file.name, "file", file.size), file };
}

/**
 * Members of a tar of the layout: no times, no owners, so that equal images are equal files. Blobs come as ranges of files where they
 * can, else in chunks of memory that is used again: a writer is done with one when it asks for the next.
 */
export function* layoutMembers(contents: LayoutContents): Generator<TarPieceMember> {
  for (const { entry, file } of layoutEntries(contents))
    yield file === undefined ? { entry } : { entry, body: piecesOf(file) };
}

/** Where in that tar the bytes of a blob begin; undefined: it is not in it. Only the sizes of blobs and the lengths of names matter. */
export function blobOffset(contents: LayoutContents, digest: Digest): number | undefined {
  const name = blobPath(digest);
  let at = 0;
  for (const { entry } of layoutEntries(contents)) {
    const { head, all } = memberBytes(entry);
    if (entry.path === name) return at + head;
    at += all;
  }
  return undefined;
}

async function writeLayoutFile(target: string, file: LayoutFile): Promise<void> {
  if (!(file.content instanceof Uint8Array) && "path" in file.content) {
    // A copy on write where the file system has that. Not a hard link: a layout is the user's to change, the store is not.
    await copyFile(file.content.path, target, constants.COPYFILE_FICLONE);
    return;
  }
  await writeFile(target, bodyOf(file));
}

/**
 * Writes a layout into a folder; blobs and other files that are there stay. Each file is whole or not there, and `index.json` comes last.
 * `onTemporary` hears the absolute path of each file that is renamed when it is whole, before it is made.
 */
export async function writeLayout(
  folder: string,
  contents: LayoutContents,
  { onTemporary }: { readonly onTemporary?: (path: string) => void } = {},
): Promise<void> {
  makeFolders(join(folder, "blobs/sha256"));
  const files = layoutFiles(contents);
  const last = files.filter((file) => file.name === "index.json");
  for (const file of [...files.filter((one) => one.name !== "index.json"), ...last]) {
    const target = join(folder, file.name);
    const temporary = resolve(dirname(target), `.${process.pid}.tmp`);
    onTemporary?.(temporary);
    try {
      await writeLayoutFile(temporary, file);
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}
