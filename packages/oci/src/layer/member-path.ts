import { posix } from "node:path";

/**
 * The place of a member below the root it is unpacked in, "" for the root itself: absolute names and `..` are cut off at the root, as
 * docker and containerd do. Symbolic links on the way are native-fs's affair (openat2 in the root).
 */
export function memberPath(name: string): string {
  const path = posix.normalize(`/${name}`).slice(1);
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

/** `dir/name` → `dir`; a name at the top → "". */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
