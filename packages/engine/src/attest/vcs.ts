import { execFile } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import { parseTruth } from "@tsbuild/base";
import type { CompleteRequest } from "../complete-request.ts";
import { withoutUser } from "./materials.ts";

/** The repository that a context is a part of, as far as git tells (C056). */
export interface VcsInfo {
  /** Without user and password. */
  readonly source?: string | undefined;
  /** `-dirty` behind it: there are changes that no commit has. */
  readonly revision: string;
}

type Env = Readonly<Record<string, string | undefined>>;

const run = promisify(execFile);
/** Git is asked questions only: nothing that a repository configures may be started for an answer. */
const QUIET = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

/** Standard output of git; undefined when it has no answer, or is not installed. */
async function git(folder: string, env: Env, ...args: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run("git", [...QUIET, "-C", folder, ...args], {
      env: { ...env, GIT_OPTIONAL_LOCKS: "0", LC_ALL: "C" },
      timeout: 10_000,
    });
    return stdout.trim();
  } catch {
    /* No repository, no commit, no git: then the build says nothing of it. */
    return undefined;
  }
}

function isOn(value: string | undefined): boolean {
  return parseTruth(value ?? "") === true;
}

/** Undefined where the context is no folder or not under version control, and when BUILDX_GIT_INFO=false. */
export async function readVcs({ context }: CompleteRequest, env: Env): Promise<VcsInfo | undefined> {
  if (context.type !== "folder" || parseTruth(env["BUILDX_GIT_INFO"] ?? "") === false) return undefined;
  const folder = resolve(context.path);
  const commit = await git(folder, env, "rev-parse", "--verify", "HEAD");
  if (commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit)) return undefined;
  const dirty =
    isOn(env["BUILDX_GIT_CHECK_DIRTY"]) && (await git(folder, env, "status", "--porcelain")) !== "";
  const remote = await git(folder, env, "remote", "get-url", "origin");
  return {
    ...(remote === undefined || remote === "" ? {} : { source: withoutUser(remote) }),
    revision: dirty ? `${commit}-dirty` : commit,
  };
}

/** Where in the repository the Dockerfile is; undefined outside of it. */
async function entrypointOf({ context, dockerfile }: CompleteRequest, env: Env): Promise<string | undefined> {
  if (context.type !== "folder" || dockerfile === "-") return undefined;
  const file = resolve(dockerfile ?? join(context.path, "Dockerfile"));
  if (!existsSync(file)) return undefined;
  const top = await git(resolve(context.path), env, "rev-parse", "--show-toplevel");
  const path = top === undefined ? ".." : relative(top, realpathSync(file));
  return path.startsWith("..") ? undefined : path;
}

/**
 * BUILDX_GIT_LABELS (C056): with `true` the revision and where in the repository the Dockerfile is, with `full` also where the repository
 * is from.
 */
export async function vcsLabels(
  request: CompleteRequest,
  env: Env,
): Promise<Readonly<Record<string, string>>> {
  const wanted = env["BUILDX_GIT_LABELS"];
  if (!isOn(wanted) && wanted !== "full") return {};
  const vcs = await readVcs(request, { ...env, BUILDX_GIT_INFO: "true" });
  if (vcs === undefined) return {};
  const entrypoint = await entrypointOf(request, env);
  const source = wanted === "full" ? vcs.source : undefined;
  return {
    "org.opencontainers.image.revision": vcs.revision,
    ...(entrypoint === undefined ? {} : { "com.docker.image.source.entrypoint": entrypoint }),
    ...(source === undefined ? {} : { "org.opencontainers.image.source": source }),
  };
}
