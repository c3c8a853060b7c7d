import { TsbuildError } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import { cleanPath, isFolder } from "../content/locate.ts";

const S_IFMT = 0o170000;
const S_IFLNK = 0o120000;
const MAX_LINKS = 40;

/** Where COPY puts things: a clean path below the root, and whether it was written as a folder (D095). */
export interface Destination {
  readonly path: string;
  /** Ends in `/`, is `.` or is empty. */
  readonly writtenAsFolder: boolean;
}

export function parseDestination(dest: string): Destination {
  return { path: cleanPath(dest), writtenAsFolder: /(?:^|\/)\.?$/.test(dest) };
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

export function join(folder: string, name: string): string {
  if (folder === "" || name === "") return folder + name;
  return `${folder}/${name}`;
}

/**
 * Follows a destination that is a symbolic link to what it names, existing or not (D102: links of the destination are followed
 * within the root). Only the text is worked out here; writing resolves it once more beneath the root.
 */
export function followDestination(fs: NativeFs, root: number, path: string): string {
  let current = path;
  for (let hops = 0; hops < MAX_LINKS; hops++) {
    const existing = fs.pathInRoot(root, current);
    if (existing !== undefined) return existing;
    const stat = fs.statInRoot(root, current, false);
    if (stat === undefined || (stat.mode & S_IFMT) !== S_IFLNK) return current;
    const target = fs.readlinkInRoot(root, current);
    current = cleanPath(target.startsWith("/") ? target : join(parentOf(current), target));
  }
  throw new TsbuildError(
    "TSB_CONTEXT",
    `too many levels of symbolic links at ${JSON.stringify(`/${path}`)} in the image`,
  );
}

/** Is there a folder at `path` (links followed)? Undefined when there is nothing. */
export function folderAt(fs: NativeFs, root: number, path: string): boolean | undefined {
  if (path === "") return true;
  const stat = fs.statInRoot(root, path, true);
  return stat === undefined ? undefined : isFolder(stat);
}
