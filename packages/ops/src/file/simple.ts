import { errnoCode, TsbuildError } from "@tsbuild/base";
import { matchGlob } from "@tsbuild/dockerfile/patterns";
import type { MkdirAction, MkfileAction, RmAction, SymlinkAction } from "@tsbuild/llb";
import type { NativeFs } from "@tsbuild/native-fs";
import { cleanPath } from "../content/locate.ts";
import { applyAll, type CopyTarget } from "./apply.ts";
import type { Ownership } from "./owner.ts";
import { folderAt, join, parentOf } from "./target.ts";

/** -1 means now: the time of the layer, not of a source. */
function timeOf(timestampNs: bigint): bigint {
  return timestampNs >= 0n ? timestampNs : BigInt(Date.now()) * 1_000_000n;
}

function ownerOf(owner: Ownership | undefined): Ownership {
  return owner ?? { uid: 0, gid: 0 };
}

/** `mkdir` (WORKDIR, D116): an existing folder is left as it is. */
export function runMkdir(target: CopyTarget, action: MkdirAction, owner: Ownership | undefined): void {
  const path = cleanPath(action.path);
  const existing = path === "" ? true : folderAt(target.fs, target.root, path);
  if (existing === true) return;
  if (existing === false) throw inTheWay(path);
  const mtimeNs = timeOf(action.timestampNs);
  const options = { mode: action.mode & 0o7777, ...ownerOf(owner), parents: action.makeParents, mtimeNs };
  const made = makeFolders(target, path, options);
  // Making a child moved its parent's time.
  for (const folder of made.toReversed()) target.fs.setTimesInRoot(target.root, folder, mtimeNs, mtimeNs);
}

function makeFolders(
  { fs, root }: CopyTarget,
  path: string,
  options: Parameters<NativeFs["mkdirInRoot"]>[2],
): string[] {
  try {
    return fs.mkdirInRoot(root, path, options);
  } catch (error) {
    if (errnoCode(error) === "ENOTDIR") throw inTheWay(path);
    throw error;
  }
}

function inTheWay(path: string): TsbuildError {
  return new TsbuildError(
    "TSB_CONTEXT",
    `cannot make the folder ${JSON.stringify(`/${path}`)}: a file is in its way`,
    {
      hint: "choose another WORKDIR, or remove the file in an earlier step",
    },
  );
}

export async function runMkfile(
  target: CopyTarget,
  action: MkfileAction,
  owner: Ownership | undefined,
): Promise<void> {
  await applyAll(target, [
    {
      type: "file",
      path: cleanPath(action.path),
      existing: "copy",
      data: action.data,
      mode: action.mode & 0o7777,
      ...ownerOf(owner),
      mtimeNs: timeOf(action.timestampNs),
    },
  ]);
}

export async function runSymlink(
  target: CopyTarget,
  action: SymlinkAction,
  owner: Ownership | undefined,
): Promise<void> {
  await applyAll(target, [
    {
      type: "symlink",
      path: cleanPath(action.newPath),
      existing: "error",
      target: action.oldPath,
      ...ownerOf(owner),
      mtimeNs: timeOf(action.timestampNs),
    },
  ]);
}

function namesMatching(fs: NativeFs, root: number, path: string): string[] {
  const parent = parentOf(path);
  if (folderAt(fs, root, parent) !== true) return [];
  const pattern = path.slice(parent === "" ? 0 : parent.length + 1);
  return fs
    .listInRoot(root, parent === "" ? "." : parent)
    .filter((name) => matchGlob(pattern, name))
    .map((name) => join(parent, name));
}

export function runRm(target: CopyTarget, action: RmAction): void {
  const path = cleanPath(action.path);
  const paths = action.allowWildcard ? namesMatching(target.fs, target.root, path) : [path];
  for (const one of paths) {
    if (!target.fs.removeInRoot(target.root, one) && !action.allowNotFound) {
      throw new TsbuildError("TSB_CONTEXT", `cannot remove ${JSON.stringify(action.path)}: not found`);
    }
  }
}
