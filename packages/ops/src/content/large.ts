import type { TreeReader } from "@tsbuild/native-fs";
import type { LocalContext } from "../local/context.ts";
import { type Located, rootPath } from "./locate.ts";

/** What one step reads of a context, where that is much. */
export interface LargeContext {
  readonly context: LocalContext;
  readonly entries: number;
  readonly bytes: number;
  /** Largest first: what lies at the top of what is read. Paths from the context's top, a folder's with a slash behind it. */
  readonly top: readonly LargePart[];
}

export interface LargePart {
  readonly path: string;
  readonly entries: number;
  readonly bytes: number;
}

/** Above either of these a build notices: half a gigabyte takes seconds to read, and so many entries are looked at in every build. */
const LARGE = { bytes: 500_000_000, entries: 100_000 };
const NAMED = 5;

interface Chosen {
  readonly located: Pick<Located, "path">;
  readonly reader: Pick<TreeReader, "path" | "isFile" | "isFolder" | "size">;
  /** Indexes into the walk. */
  readonly chosen: Uint32Array;
}

/** Of the files among the entries. */
export function bytesOf(reader: Pick<TreeReader, "isFile" | "size">, chosen: Uint32Array): number {
  let bytes = 0;
  for (const index of chosen) if (reader.isFile(index)) bytes += reader.size(index);
  return bytes;
}

/** Undefined where it is not much (W007). Looks at what the walk has found, and at names only where it is. */
export function largeContext(context: LocalContext, read: Chosen, bounds = LARGE): LargeContext | undefined {
  const { reader, chosen } = read;
  const bytes = bytesOf(reader, chosen);
  if (bytes <= bounds.bytes && chosen.length <= bounds.entries) return undefined;
  return { context, entries: chosen.length, bytes, top: largestParts(read) };
}

function largestParts({ located, reader, chosen }: Chosen): readonly LargePart[] {
  const parts = new Map<string, { entries: number; bytes: number }>();
  for (const index of chosen) {
    const path = reader.path(index);
    const slash = path.indexOf("/");
    const isFolder = slash >= 0 || reader.isFolder(index);
    const top = slash < 0 ? path : path.slice(0, slash);
    const name = `${rootPath(located, top)}${isFolder ? "/" : ""}`;
    // The folder that all of it is in tells nothing.
    if (path === "" && isFolder) continue;
    const part = parts.get(name) ?? { entries: 0, bytes: 0 };
    part.entries++;
    if (reader.isFile(index)) part.bytes += reader.size(index);
    parts.set(name, part);
  }
  return [...parts]
    .map(([path, part]) => ({ path, ...part }))
    .sort((a, b) => b.bytes - a.bytes || b.entries - a.entries)
    .slice(0, NAMED);
}
