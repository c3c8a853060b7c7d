import { type NativeFs, TreeReader } from "@tsbuild/native-fs";
import { visibilityOf } from "./filter.ts";
import { skipOf } from "./skip.ts";

/** Files of a part of a context. */
export interface ContextPart {
  /** From the context's top. */
  readonly path: string;
  readonly files: number;
  readonly bytes: number;
}

export interface ContextListing {
  readonly files: number;
  readonly bytes: number;
  /** What lies at the top of the context, largest first: files, and folders with all that is in them. */
  readonly top: readonly ContextPart[];
  /** The largest files, largest first. */
  readonly largest: readonly ContextPart[];
}

/**
 * What `COPY . .` would copy of a folder under an ignore file: one walk, no file is opened (W007). `largest`: how many files are listed one by one.
 */
export async function listContext(
  fs: NativeFs,
  folder: string,
  { ignore, largest }: { readonly ignore: readonly string[]; readonly largest: number },
): Promise<ContextListing> {
  const root = fs.openFolder(folder);
  try {
    const walk = await fs.walk(root, ".", { xattrs: false, skip: skipOf(ignore, "") });
    return summarize(new TreeReader(walk), ignore, largest);
  } finally {
    fs.close(root);
  }
}

function summarize(reader: TreeReader, ignore: readonly string[], largest: number): ContextListing {
  const { visible } = visibilityOf(ignore);
  const tops = new Map<string, { files: number; bytes: number }>();
  const sizes: { readonly index: number; readonly bytes: number }[] = [];
  for (let index = 1; index < reader.count; index++) {
    const path = reader.path(index);
    if (reader.isFolder(index) || !visible(path, false)) continue;
    const bytes = reader.isFile(index) ? reader.size(index) : 0;
    const slash = path.indexOf("/");
    const top = slash < 0 ? path : path.slice(0, slash + 1);
    const sum = tops.get(top) ?? { files: 0, bytes: 0 };
    tops.set(top, { files: sum.files + 1, bytes: sum.bytes + bytes });
    sizes.push({ index, bytes });
  }
  const bySize = (a: { readonly bytes: number }, b: { readonly bytes: number }) => b.bytes - a.bytes;
  return {
    files: sizes.length,
    bytes: sizes.reduce((total, { bytes }) => total + bytes, 0),
    top: [...tops].map(([path, sum]) => ({ path, ...sum })).sort(bySize),
    largest: sizes
      .sort(bySize)
      .slice(0, largest)
      .map(({ index, bytes }) => ({ path: reader.path(index), files: 1, bytes })),
  };
}
