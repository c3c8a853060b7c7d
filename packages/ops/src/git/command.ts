import { spawn } from "node:child_process";
import { errnoCode, TsbuildError } from "@tsbuild/base";

export interface GitCall {
  readonly args: readonly string[];
  /** The repository. */
  readonly gitDir: string;
  /** Settings that must not be seen in a process list: credentials. */
  readonly config?: readonly (readonly [key: string, value: string])[] | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly signal: AbortSignal;
}

/** What git said when it failed. */
export class GitFailure extends Error {
  readonly stderr: string;

  constructor(stderr: string, status: number | null) {
    super(stderr.trim() === "" ? `git ended with status ${status}` : stderr.trim());
    this.name = "GitFailure";
    this.stderr = stderr;
  }
}

const PASSED = [
  "PATH",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "GIT_SSL_CAINFO",
];

/**
 * Settings of every call. A repository is a stranger's: no hooks, no helpers, no other transport than these four, no automatic
 * maintenance, no submodules behind our back. Objects are checked when they arrive; what old but harmless repositories get wrong passes.
 */
const SETTINGS: readonly (readonly [string, string])[] = [
  ["core.hooksPath", "/dev/null"],
  ["core.fsmonitor", "false"],
  ["core.askPass", ""],
  ["credential.helper", ""],
  ["fetch.recurseSubmodules", "false"],
  ["fetch.fsckObjects", "true"],
  ["fetch.fsck.zeroPaddedFilemode", "ignore"],
  ["fetch.fsck.missingSpaceBeforeDate", "ignore"],
  ["fetch.fsck.missingSpaceBeforeEmail", "ignore"],
  ["fetch.fsck.badTimezone", "ignore"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", "60"],
  ["protocol.version", "2"],
  ["safe.directory", "*"],
  ["tar.umask", "0022"],
];

/** The environment of a git that knows nothing of this machine's user: no configuration, no prompts, no home. */
function environment(call: GitCall): Record<string, string> {
  const settings = [...SETTINGS, ...(call.config ?? [])];
  const env: Record<string, string> = {
    LC_ALL: "C",
    HOME: "/nonexistent",
    GIT_DIR: call.gitDir,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "http:https:ssh:git",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_CONFIG_COUNT: String(settings.length),
  };
  for (const [index, [key, value]] of settings.entries()) {
    env[`GIT_CONFIG_KEY_${index}`] = key;
    env[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  for (const name of PASSED) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return { ...env, ...call.env };
}

function notStarted(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return new TsbuildError("TSB_CANCELED", "the build was canceled", { cause: error });
  if (errnoCode(error) !== "ENOENT") return error;
  return new TsbuildError("TSB_UNSUPPORTED", "git is not installed: git sources need it", {
    hint: "apt install git",
    cause: error,
  });
}

// Enough for every message of git's own; a server may say as much as it likes.
const MAX_STDERR_BYTES = 64 * 1024;

export interface GitStream {
  readonly stdout: AsyncIterable<Uint8Array>;
  /** Rejects with a GitFailure, or TSB_UNSUPPORTED when there is no git. Await it after the last byte. */
  readonly done: Promise<void>;
}

/** Starts git and hands its output over as it comes. */
export function streamGit(call: GitCall): GitStream {
  const { signal } = call;
  const child = spawn("git", call.args, {
    cwd: call.gitDir,
    env: environment(call),
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    if (stderr.length < MAX_STDERR_BYTES) stderr += chunk.toString("utf8");
  });
  const done = new Promise<void>((resolve, reject) => {
    child.on("error", (error) => reject(notStarted(error, signal)));
    child.on("close", (code) => (code === 0 ? resolve() : reject(new GitFailure(stderr, code))));
  });
  // Whoever stops reading early does not ask how it ended.
  done.catch(() => undefined);
  return { stdout: child.stdout, done };
}

/** Runs git to its end and gives its output, one byte a character. */
export async function runGit(call: GitCall): Promise<string> {
  const { stdout, done } = streamGit(call);
  const chunks: Uint8Array[] = [];
  for await (const chunk of stdout) chunks.push(chunk);
  await done;
  return Buffer.concat(chunks).toString("latin1");
}
