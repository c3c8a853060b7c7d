import { TsbuildError } from "@tsbuild/base";
import type { CopyAction } from "@tsbuild/llb";
import { type Scans, type Selected, select } from "../content/content-key.ts";
import { isFolder } from "../content/locate.ts";
import { selectorOfCopy } from "../content/selector.ts";
import type { OpsEnvironment } from "../environment.ts";
import type { SourceTree } from "../tree.ts";
import { applyCopy, type CopyTarget } from "./apply.ts";
import { CopyOps } from "./entries.ts";
import { modeChange } from "./mode.ts";
import type { Ownership } from "./owner.ts";
import { type Destination, folderAt, followDestination, join, parentOf, parseDestination } from "./target.ts";
import { unpackInto } from "./unpack.ts";

export interface CopyRequest {
  readonly env: OpsEnvironment;
  readonly action: CopyAction;
  readonly tree: SourceTree;
  readonly target: CopyTarget;
  readonly owner: Ownership | undefined;
  /** Walks that the key of the op was made of. */
  readonly scans?: Scans | undefined;
  /** Files that earlier copies of the op put at their destination itself: the source of each path (D092). */
  readonly placed: Map<string, string>;
}

/** Of folders that nobody gave a mode. */
const IMPLICIT_MODE = 0o755;

/** Implicit parents take --chown and an octal --chmod as well (D096). */
export function implicitParent(action: CopyAction, owner: Ownership | undefined) {
  const mode = action.mode >= 0 && action.modeStr === "" ? action.mode & 0o7777 : IMPLICIT_MODE;
  const mtimeNs = action.timestampNs >= 0n ? action.timestampNs : undefined;
  return { mode, uid: owner?.uid ?? 0, gid: owner?.gid ?? 0, mtimeNs };
}

/** `mode`: in place of an octal --chmod's. */
function makeFolder(request: CopyRequest, path: string, mode?: number): void {
  if (path === "") return;
  const { target, action } = request;
  const existing = folderAt(target.fs, target.root, path);
  if (existing === false) {
    throw new TsbuildError(
      "TSB_CONTEXT",
      `cannot copy to ${JSON.stringify(action.dest)}: a file is in the way`,
      {
        hint: "choose another destination, or remove the file in an earlier RUN",
      },
    );
  }
  if (existing === undefined) {
    const parent = implicitParent(action, request.owner);
    target.fs.mkdirInRoot(target.root, path, { ...parent, mode: mode ?? parent.mode, parents: true });
  }
}

/** The last element of the path that was asked for or matched. */
export function baseName(selected: Selected): string {
  const { asked } = selected.located;
  return asked.slice(asked.lastIndexOf("/") + 1);
}

/**
 * Several sources need a folder (D092): a second file at the same place would silently replace the first. Which
 * sources are files, and whether the destination is a folder, is only known here.
 */
function refuseSecond({ action, placed }: CopyRequest, selected: Selected, dest: string): void {
  const first = placed.get(dest);
  if (first === undefined) return;
  const second = JSON.stringify(selected.located.asked);
  const both = first === second ? `${second} twice` : `both ${first} and ${second}`;
  throw new TsbuildError(
    "TSB_CONTEXT",
    `cannot copy ${both} to ${JSON.stringify(action.dest)}, which is not a folder`,
    { hint: `end the destination with a slash to copy into a folder: ${action.dest}/` },
  );
}

/** Where one source lands (D094, D095), with the folders on the way made. */
function placeSource(request: CopyRequest, selected: Selected, destination: Destination): string {
  const { target, action } = request;
  const folder = destination.writtenAsFolder ? destination.path : parentOf(destination.path);
  makeFolder(request, followDestination(target.fs, target.root, folder));
  const dest = followDestination(target.fs, target.root, destination.path);
  const isDir = isFolder(selected.located.stat);
  refuseSecond(request, selected, dest);
  if (isDir && action.dirCopyContents) {
    makeFolder(request, dest);
    return dest;
  }
  const intoFolder = isDir || folderAt(target.fs, target.root, dest) === true;
  const path = intoFolder ? join(dest, baseName(selected)) : dest;
  makeFolder(request, parentOf(path));
  if (isDir) makeFolder(request, path);
  else if (!intoFolder) request.placed.set(path, JSON.stringify(selected.located.asked));
  return path;
}

async function copyOne(request: CopyRequest, selected: Selected, destination: Destination): Promise<void> {
  const { env, action, tree, target, owner } = request;
  if (action.attemptUnpackDockerCompatibility && !isFolder(selected.located.stat)) {
    const folder = followDestination(target.fs, target.root, destination.path);
    if (
      await unpackInto({
        env,
        tree,
        selected,
        target,
        owner,
        folder,
        // Modes of an archive are its own: --chmod has no say, as in BuildKit.
        makeFolder: () => makeFolder(request, folder, IMPLICIT_MODE),
      })
    )
      return;
  }
  const path = placeSource(request, selected, destination);
  const ops = new CopyOps(selected, path, {
    owner,
    mode: modeChange(action.mode, action.modeStr),
    mtimeNs: action.timestampNs >= 0n ? action.timestampNs : undefined,
    ownerless: tree.kind === "context",
    replace: action.alwaysReplaceExistingDestPaths,
  });
  await applyCopy(target, tree, ops);
}

/** COPY and ADD of local files (D091–D108). */
export async function runCopy(request: CopyRequest): Promise<void> {
  const { env, action, tree } = request;
  const selected = await select(env, tree, selectorOfCopy(action), request.scans);
  const destination = parseDestination(action.dest);
  for (const one of selected) await copyOne(request, one, destination);
}
