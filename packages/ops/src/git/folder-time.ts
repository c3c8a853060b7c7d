import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { GitFailure, runGit } from "./command.ts";

/** `.git` of the repository that a folder lies in: a folder, or a file that names one (worktrees, submodules). */
function gitDirOf(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    const path = join(at, ".git");
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) return path;
    if (stat?.isFile() === true && stat.size < 8192) {
      const named = /^gitdir: (.*)$/m.exec(readFileSync(path, "utf8"))?.[1];
      return named === undefined ? undefined : resolve(at, named.trim());
    }
    if (at === dirname(at)) return undefined;
  }
}

/**
 * Seconds since 1970 of the commit that is checked out in the repository of a folder; undefined: it is in none, or has no commit yet. Reads one
 * object and runs nothing that the repository's settings name. Throws TSB_UNSUPPORTED when there is no git to ask.
 */
export async function folderCommitTime(folder: string, signal: AbortSignal): Promise<number | undefined> {
  const gitDir = gitDirOf(folder);
  if (gitDir === undefined) return undefined;
  // Objects that a partial clone lacks would be fetched by programs that its settings name.
  const env = { GIT_NO_LAZY_FETCH: "1" };
  try {
    const commit = await runGit({ args: ["cat-file", "commit", "HEAD"], gitDir, env, signal });
    const seconds = /^committer .* (\d{1,15}) [+-]\d{4}$/m.exec(commit)?.[1];
    return seconds === undefined ? undefined : Number(seconds);
  } catch (error) {
    if (error instanceof GitFailure) return undefined;
    throw error;
  }
}
