import { nearest, TsbuildError } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { SourceTree } from "../tree.ts";
import { cleanPath, isFolder } from "./locate.ts";
import type { Visible } from "./shown.ts";

export interface MissingPath {
  readonly fs: NativeFs;
  readonly tree: SourceTree;
  /** As it is written. */
  readonly path: string;
  /** Whether a path is part of the tree at all (the ignore file). */
  readonly visible: Visible;
}

/** A path that COPY, ADD or a mount names and that is not there: with the name that was meant, or what hides it (D105). */
export function missingPath(missing: MissingPath): TsbuildError {
  const { tree, path } = missing;
  const where =
    tree.kind === "context"
      ? `the build context ${JSON.stringify(tree.context.shown ?? tree.context.folder)}`
      : "the source";
  return new TsbuildError("TSB_CONTEXT", `${JSON.stringify(path)}: not found in ${where}`, {
    hint: hintFor(missing),
  });
}

function hintFor(missing: MissingPath): string {
  const { fs, tree, path } = missing;
  const stat = tree.kind === "empty" ? undefined : fs.statInRoot(tree.root, cleanPath(path) || ".", false);
  if (stat !== undefined && !missing.visible(cleanPath(path), isFolder(stat)))
    return "it is there, and .dockerignore excludes it: a line !PATH below the one that does brings it back";
  const near = nearPath(missing);
  if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`;
  return tree.kind === "context"
    ? "paths are relative to the context folder, the last argument of the command"
    : "paths after --from are taken from the root of that stage or image, whatever its WORKDIR is";
}

/** The path with its first element that is not there put right; undefined when nothing there is like it, or all of the rest is missing too. */
function nearPath({ fs, tree, path, visible }: MissingPath): string | undefined {
  if (tree.kind === "empty") return undefined;
  const elements = cleanPath(path).split("/");
  const there = (end: number) => elements.slice(0, end).join("/");
  const at = elements.findIndex((_, end) => fs.statInRoot(tree.root, there(end + 1), true) === undefined);
  const wrong = elements[at];
  if (wrong === undefined) return undefined;
  const folder = there(at);
  const stat = fs.statInRoot(tree.root, folder || ".", true);
  if (stat === undefined || !isFolder(stat)) return undefined;
  const inFolder = (name: string) => (folder === "" ? name : `${folder}/${name}`);
  const names = fs.listInRoot(tree.root, folder || ".").filter((name) => visible(inFolder(name), false));
  const name = nearest(wrong, names);
  const meant = name === undefined ? undefined : [inFolder(name), ...elements.slice(at + 1)].join("/");
  return meant === undefined || fs.statInRoot(tree.root, meant, true) === undefined ? undefined : meant;
}
