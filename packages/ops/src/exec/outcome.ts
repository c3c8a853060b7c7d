import { statfsSync } from "node:fs";
import { TsbuildError } from "@tsbuild/base";
import type { ExecOp } from "@tsbuild/llb";
import type { NativeFs } from "@tsbuild/native-fs";
import type { ExecMount, ExecOutcome, ExecUser } from "@tsbuild/sandbox";
import { cleanPath, isFolder } from "../content/locate.ts";
import type { StepResources } from "../grants/grants.ts";
import { mountTarget } from "./mount-target.ts";

/** A step that has ended, with what is needed to say why it failed. */
export interface EndedStep {
  readonly op: ExecOp;
  readonly outcome: ExecOutcome;
  readonly fs: NativeFs;
  readonly root: number;
  readonly user: ExecUser;
  /** `K=V`, as the step had it. */
  readonly env: readonly string[];
  readonly mounts: readonly ExecMount[];
  readonly resources: StepResources;
  /** Only root's id is known: the builder's user has no subordinate ones. */
  readonly singleId: boolean;
}

/** A chown, su or apt then fails with "Invalid argument", which says nothing to whoever reads it. */
function singleIdHint({ singleId }: EndedStep): string | undefined {
  return singleId
    ? "if it is Invalid argument: only root's id is known here, for want of subordinate ids; tsbuild doctor says what to type (usermod --add-subuids …)"
    : undefined;
}

/** Less than this is as good as nothing: whoever could not write has taken away some of what it had written. */
const FULL_BYTES = 8 * 1024 * 1024;

/** Programs say that the device is full, and whose device that is, nobody knows inside. Files of a btrfs are not counted: it says 0 of 0. */
function fullDiskHint({ root }: EndedStep): string | undefined {
  const { bavail, bsize, files, ffree } = statfsSync(`/proc/self/fd/${root}`);
  const noFiles = files > 0 && ffree === 0;
  if (bavail * bsize >= FULL_BYTES && !noFiles) return undefined;
  return `the disk of the state folder is full${noFiles ? " (no inode is free)" : ""}: free some of it (tsbuild prune), or use another: --root FOLDER`;
}

/** TSB_EXEC or TSB_OOM; undefined when the step ended with a code that counts as success (B015). */
export function failureOf(step: EndedStep): TsbuildError | undefined {
  const { meta } = step.op;
  const { exitCode, oomKilled } = step.outcome;
  const valid = meta.validExitCodes.length > 0 ? meta.validExitCodes : [0];
  if (valid.includes(exitCode)) return undefined;
  const process = `process "${meta.args.join(" ")}"`;
  if (oomKilled) return outOfMemory(process, step);
  const hint =
    exitCode === 127
      ? notFoundHint(step)
      : (fullDiskHint(step) ?? cacheOwnerHint(step) ?? singleIdHint(step));
  return new TsbuildError("TSB_EXEC", `${process} did not complete successfully: exit code: ${exitCode}`, {
    exitCode,
    hint,
  });
}

function outOfMemory(process: string, { outcome, resources }: EndedStep): TsbuildError {
  const { exitCode } = outcome;
  const limit = resources.memoryBytes;
  const of = limit === undefined ? "" : ` at the limit of ${Math.round(limit / 2 ** 20)} MiB`;
  return new TsbuildError("TSB_OOM", `${process} was killed: out of memory${of} (exit code ${exitCode})`, {
    hint:
      limit === undefined
        ? "give the machine or the step more memory, or run fewer steps at once (--jobs)"
        : "raise the limit: --resource memory=…",
    exitCode,
  });
}

const SCRIPT_HEAD_BYTES = 64 * 1024 * 1024;

/** Where the step's PATH leads for a program, in the root; undefined when nowhere. */
function findProgram({ fs, root, env, op }: EndedStep, program: string): string | undefined {
  const path = env.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  const folders = program.includes("/") ? [program.startsWith("/") ? "" : op.meta.cwd] : path.split(":");
  const paths = folders.map((folder) => cleanPath(`${folder}/${program}`));
  return paths.find((one) => {
    const stat = fs.statInRoot(root, one, true);
    return stat !== undefined && !isFolder(stat);
  });
}

/** 127 is "no such program", but the kernel says the same of an interpreter, and loaders of a shared library. */
function notFoundHint(step: EndedStep): string {
  const { args } = step.op.meta;
  const [program = ""] = args;
  const found = findProgram(step, program);
  if (found === undefined) {
    if (args.length === 1 && program.includes(" "))
      return `the JSON form takes one word per string: write ${JSON.stringify(program.split(" "))}`;
    if (program === "") return "the first word of the command is empty";
    return args[1] === "-c"
      ? `the image has no ${program}: use the JSON form (RUN ["PROGRAM", "ARGUMENT"]), or SHELL with one that it has`
      : `the image has no ${program}: check the name and PATH`;
  }
  const interpreter = shebang(step, found);
  if (interpreter !== undefined && findProgram(step, interpreter) === undefined)
    return `/${found} is there, its interpreter is not: its first line names ${interpreter}${interpreter.endsWith("\r") ? " with a carriage return: save it with Unix line ends" : ""}`;
  return args[1] === "-c"
    ? "the shell did not find a command: its output names it; check PATH and what is installed"
    : `/${found} is there: what is missing is its loader or a shared library (a program for another C library, such as glibc on musl), or a command that it calls`;
}

function shebang({ fs, root }: EndedStep, path: string): string | undefined {
  const stat = fs.statInRoot(root, path, true);
  if (stat === undefined || stat.size > SCRIPT_HEAD_BYTES) return undefined;
  const head = fs.readFileInRoot(root, path, SCRIPT_HEAD_BYTES)?.toString("latin1", 0, 256) ?? "";
  return /^#![ \t]*([^ \t\n]+)/.exec(head)?.[1];
}

function mayWrite(
  stat: { readonly mode: number; readonly uid: number; readonly gid: number },
  user: ExecUser,
): boolean {
  if (user.uid === 0) return true;
  if (stat.uid === user.uid) return (stat.mode & 0o200) !== 0;
  const inGroup = stat.gid === user.gid || user.additionalGids.includes(stat.gid);
  return (stat.mode & (inGroup ? 0o020 : 0o002)) !== 0;
}

/** W036: a cache belongs to root unless its mount says otherwise, which a step of another user learns as EACCES. */
function cacheOwnerHint({ op, fs, mounts, user }: EndedStep): string | undefined {
  const caches = op.mounts.filter((mount) => mount.type === "cache" && !mount.readonly);
  for (const cache of caches) {
    const dest = mountTarget(op, cache.dest);
    const mount = mounts.find((one) => one.dest === dest);
    const stat = mount?.type === "bind" ? fs.statInRoot(mount.fd, ".", true) : undefined;
    if (stat === undefined || mayWrite(stat, user)) continue;
    return `if it is permission denied: the cache ${dest} belongs to ${stat.uid}:${stat.gid} and the step runs as ${user.uid}:${user.gid}; add uid=${user.uid},gid=${user.gid} and a new id= to its mount`;
  }
  return undefined;
}
