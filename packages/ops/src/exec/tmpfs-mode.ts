import type { NativeFs } from "@tsbuild/native-fs";
import type { ExecMount } from "@tsbuild/sandbox";
import { cleanPath, isFolder } from "../content/locate.ts";

/**
 * Mode of a tmpfs: that of the folder it hides, as runtimes do it (a tmpfs on /root must not be open to all, or gpg and ssh refuse to
 * work in it); anybody may write to one that hides nothing. Only the image's folders count, not those of another mount.
 */
export function withHiddenModes(fs: NativeFs, root: number, mounts: readonly ExecMount[]): ExecMount[] {
  return mounts.map((mount, index) => {
    if (mount.type !== "tmpfs") return mount;
    const path = cleanPath(mount.dest);
    const others = mounts.slice(0, index).map(({ dest }) => cleanPath(dest));
    if (others.some((other) => path === other || path.startsWith(`${other}/`))) return mount;
    const hidden = fs.statInRoot(root, path, true);
    return hidden !== undefined && isFolder(hidden) ? { ...mount, mode: hidden.mode & 0o7777 } : mount;
  });
}
