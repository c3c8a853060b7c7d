/** Does overlayfs work on a file system, as far as snapshots need it? */
import { lstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";

export type ProbeCalls = Pick<NativeFs, "mountOverlay" | "removeInRoot" | "mkdirInRoot" | "close">;

/** Errors by which a kernel says that it cannot or may not; anything else is a fault and not an answer. */
const REFUSALS = new Set([
  "EINVAL",
  "EPERM",
  "EACCES",
  "ENODEV",
  "ENOSYS",
  "EOPNOTSUPP",
  "ENOTSUP",
  "EREMOTE",
  "EROFS",
  "EXDEV",
]);

/**
 * Mounts an overlay in an empty folder, removes a file and makes a folder anew through it. Undefined: all of that works; else why not.
 * A mount alone says little: on some file systems (no xattrs, no RENAME_WHITEOUT) it succeeds and removing fails.
 */
export function overlayRefusal(fs: ProbeCalls, folder: string, userxattr: boolean): string | undefined {
  const [lower, upper, work] = ["lower", "upper", "work"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [lower, upper, work, join(lower, "made")]) mkdirSync(path);
  writeFileSync(join(lower, "removed"), "");
  try {
    // As views are mounted: else the kernel writes the whole disk's dirty data when this one goes, while the thread waits.
    const root = fs.mountOverlay({ lowers: [lower], upper, work, userxattr, volatile: true });
    try {
      fs.removeInRoot(root, "removed");
      fs.removeInRoot(root, "made");
      fs.mkdirInRoot(root, "made", { mode: 0o755, uid: 0, gid: 0, parents: false });
    } finally {
      fs.close(root);
    }
    return lstatSync(join(upper, "removed")).isCharacterDevice() ? undefined : "it makes no whiteout devices";
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined || !REFUSALS.has(code)) throw error;
    return error instanceof Error ? error.message : code;
  }
}
