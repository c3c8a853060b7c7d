import { createReadStream, createWriteStream, constants as flags } from "node:fs";
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { nativeFs } from "@tsbuild/native-fs";
import { copyTree } from "./copy.ts";

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

export interface CopyPathOptions {
  /** Descriptor of the root that `path` is in; links are followed beneath it and lead nowhere else. */
  readonly root: number;
  readonly path: string;
  /** Host path of an existing folder. */
  readonly dest: string;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly signal: AbortSignal;
}

/**
 * Copies a file, or what is in a folder, out of an untrusted tree into a folder: owned by `owner`, without set-user-id bits, xattrs and links that lead
 * out of it.
 * Writing stays beneath `dest`, whatever links earlier copies left there. `missing`: nothing there, or neither file nor folder.
 */
export async function copyPath(options: CopyPathOptions): Promise<"copied" | "missing"> {
  const { root } = options;
  const path = options.path.replace(/^\/+/, "") || ".";
  const type = (nativeFs.statInRoot(root, path, true)?.mode ?? 0) & S_IFMT;
  if (type !== S_IFDIR && type !== S_IFREG) return "missing";
  const kind = type === S_IFDIR ? flags.O_DIRECTORY : flags.O_NONBLOCK;
  const source = nativeFs.openInRoot(root, path, flags.O_RDONLY | kind, 0);
  try {
    const dest = nativeFs.openFolder(options.dest);
    try {
      if (type === S_IFDIR) await copyTree(source, dest, { ...options, mirror: false, plain: true });
      else await copyFile(source, dest, { ...options, name: basename(path) });
    } finally {
      nativeFs.close(dest);
    }
  } finally {
    nativeFs.close(source);
  }
  return "copied";
}

/** Made anew, so that a link of that name is replaced and not followed. */
async function copyFile(
  source: number,
  dest: number,
  { name, owner, signal }: Pick<CopyPathOptions, "owner" | "signal"> & { readonly name: string },
): Promise<void> {
  nativeFs.removeInRoot(dest, name);
  const target = nativeFs.openInRoot(dest, name, flags.O_WRONLY | flags.O_CREAT | flags.O_EXCL, 0o644);
  try {
    await pipeline(
      createReadStream("", { fd: source, autoClose: false }),
      createWriteStream("", { fd: target, autoClose: false }),
      { signal },
    );
  } finally {
    nativeFs.close(target);
  }
  nativeFs.setOwnerModeInRoot(dest, name, { ...owner, mode: 0o644 });
}
