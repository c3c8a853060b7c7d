import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { SourceTree } from "../tree.ts";

/** Codes by which a file shows that it is not what the walk saw: other content, gone, a link or a folder in its place. */
const CODES: readonly (string | undefined)[] = ["ESTALE", "ENOENT", "ELOOP", "ENOTDIR", "EINVAL"];

/** Whether reading a context failed since it changed after it was walked. */
export function showsChange(tree: SourceTree, error: unknown): boolean {
  return tree.kind === "context" && CODES.includes(errnoCode(error));
}

/** The user, or a program, writes to the context while it is built from. */
export function contextChanged(
  tree: SourceTree,
  change: { readonly path: string; readonly meanwhile: "read" | "copied"; readonly cause?: unknown },
): TsbuildError {
  const where =
    tree.kind === "context" ? JSON.stringify(tree.context.shown ?? tree.context.folder) : "the source";
  const what = `${JSON.stringify(change.path)} in the build context`;
  return new TsbuildError("TSB_CONTEXT", `${what} changed while it was being ${change.meanwhile}`, {
    hint: `build again when nothing writes to ${where} any more`,
    cause: change.cause,
  });
}

/** A folder or file of the context that this user may not read; anything else as it is. */
export function explainUnreadable(tree: SourceTree, error: unknown): unknown {
  const code = errnoCode(error);
  if (tree.kind !== "context" || (code !== "EACCES" && code !== "EPERM")) return error;
  const path = JSON.stringify(pathOfError(error));
  return new TsbuildError("TSB_CONTEXT", `${path} in the build context cannot be read: permission denied`, {
    hint: "give yourself the right to read it, or list it in .dockerignore",
    cause: error,
  });
}

/** The path that an error of the addon names; "" when it names none. */
export function pathOfError(error: unknown): string {
  return typeof error === "object" && error !== null && "path" in error ? String(error.path) : "";
}
