import { posix } from "node:path";
import { limits, TsbuildError } from "@tsbuild/base";

/**
 * The place of a member below the root it is unpacked in, "" for the root itself: absolute names and `..` are cut off at the root, as
 * docker and containerd do. Symbolic links on the way are native-fs's affair (openat2 in the root).
 * Throws TSB_INTEGRITY for a path that Linux cannot open in one piece: ten thousand folders in one name cost minutes to make.
 */
export function memberPath(name: string): string {
  const normal = posix.normalize(`/${name}`).slice(1);
  const path = normal.endsWith("/") ? normal.slice(0, -1) : normal;
  const sizeBytes = Buffer.byteLength(path);
  if (sizeBytes < limits.pathBytes) return path;
  const start = JSON.stringify(`${path.slice(0, 40)}…`);
  throw new TsbuildError(
    "TSB_INTEGRITY",
    `the archive has a path of ${sizeBytes} bytes (${start}); Linux takes ${limits.pathBytes - 1}`,
  );
}

/** `dir/name` → `dir`; a name at the top → "". */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}
