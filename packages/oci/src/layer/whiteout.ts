import type { TreeEntry, Xattr } from "@tsbuild/native-fs";

/** image-spec layer.md, "Whiteouts" and "Opaque Whiteout". */
export const WHITEOUT_PREFIX = ".wh.";
export const OPAQUE_NAME = ".wh..wh..opq";

const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFREG = 0o100000;
const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\.(.*)$/;

function overlayXattr(entry: TreeEntry, name: string): Xattr | undefined {
  return entry.xattrs?.find((xattr) => OVERLAY_XATTR.exec(xattr.name)?.[1] === name);
}

/**
 * True for an entry of an overlayfs layer that hides a name: a character device 0:0, or (nested overlays) an empty
 * file with the xattr `overlay.whiteout`.
 */
export function isWhiteout(entry: TreeEntry): boolean {
  const type = entry.mode & S_IFMT;
  if (type === S_IFCHR) return entry.rdevMajor === 0 && entry.rdevMinor === 0;
  return type === S_IFREG && entry.size === 0 && overlayXattr(entry, "whiteout") !== undefined;
}

/** True for a folder that hides what is below. (`x` in place of `y` only announces xattr whiteouts.) */
export function isOpaque(entry: TreeEntry): boolean {
  return overlayXattr(entry, "opaque")?.value.toString("latin1") === "y";
}

/** Xattrs that belong to the image: the user's own and file capabilities, never overlayfs's book-keeping. */
export function isImageXattr(name: string): boolean {
  return (name.startsWith("user.") && !name.startsWith("user.overlay.")) || name === "security.capability";
}
