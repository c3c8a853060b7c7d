import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { errnoCode, limits, TsbuildError } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import type { CompleteRequest } from "./complete-request.ts";

/** A Dockerfile and the ignore file that applies to the context. */
export interface DockerfileSource {
  /** Name for messages: as the user wrote it. */
  readonly file: string;
  readonly text: string;
  readonly ignore: { readonly file: string; readonly text: string } | undefined;
}

function notThere(shown: string, cause: unknown): TsbuildError {
  return new TsbuildError("TSB_USAGE", `there is no Dockerfile at ${JSON.stringify(shown)}`, {
    hint: "name it with -f FILE, or give the folder that holds it as the last argument",
    cause,
  });
}

/** What `-f` names may be a pipe (`-f <(generate)`); what merely lies in a context must be a file: reading a fifo waits for ever. */
function readText(path: string, shown: string, named: boolean): string {
  try {
    const stat = statSync(path);
    if (stat.isDirectory())
      throw new TsbuildError("TSB_USAGE", `${JSON.stringify(shown)} is a folder, not a Dockerfile`);
    if (!stat.isFile() && !named) throw notAFile(shown);
    return readBounded(path, shown);
  } catch (error) {
    const code = errnoCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") throw notThere(shown, error);
    throw code === "EACCES" || code === "EPERM" ? notReadable(shown, error) : error;
  }
}

function notReadable(shown: string, cause: unknown): TsbuildError {
  return new TsbuildError("TSB_USAGE", `${JSON.stringify(shown)} cannot be read: permission denied`, {
    cause,
  });
}

function notAFile(shown: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `${JSON.stringify(shown)} is a device, pipe or socket, not a file`, {
    hint: "to read a pipe, name it with -f, or use -f - and standard input",
  });
}

/** Sizes of devices and of files below /proc say nothing: the bound is on what is read. */
function readBounded(path: string, shown: string): string {
  const fd = openSync(path, "r");
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; ; ) {
      const chunk = Buffer.allocUnsafe(256 * 1024);
      const count = readSync(fd, chunk);
      if (count === 0) return Buffer.concat(chunks).toString("utf8");
      size += count;
      if (size > limits.dockerfileBytes)
        throw new TsbuildError("TSB_DOCKERFILE", `${shown} has more than ${limits.dockerfileBytes} bytes`);
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
}

/** The Dockerfile in a context folder: `Dockerfile`, else `dockerfile` (D137). */
function defaultPath(folder: string): string {
  const upper = join(folder, "Dockerfile");
  const lower = join(folder, "dockerfile");
  return !existsSync(upper) && existsSync(lower) ? lower : upper;
}

/** `<Dockerfile>.dockerignore` beside the Dockerfile wins over `.dockerignore` of the context (D131). */
export function readIgnore(
  folder: string | undefined,
  dockerfile: string | undefined,
): DockerfileSource["ignore"] {
  const own = dockerfile === undefined ? undefined : `${dockerfile}.dockerignore`;
  const candidates = [own, folder === undefined ? undefined : join(folder, ".dockerignore")];
  for (const path of candidates) {
    if (path === undefined) continue;
    try {
      if (!statSync(path).isFile()) throw notAFile(path);
      return { file: basename(path), text: readBounded(path, path) };
    } catch (error) {
      if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw error;
    }
  }
  return undefined;
}

/**
 * The Dockerfile in a folder that a stranger filled (an archive, a repository): links in it lead nowhere but into itself. `name` is
 * what `-f` says, from the folder's top.
 */
export function readInnerDockerfile(folder: string, request: CompleteRequest): DockerfileSource {
  const root = nativeFs.openFolder(folder);
  try {
    const name = request.dockerfile ?? innerDefault(root);
    const text = request.dockerfileText ?? readInner(root, name);
    if (text === undefined)
      throw new TsbuildError("TSB_USAGE", `the context has no Dockerfile ${JSON.stringify(name)}`, {
        hint: "name it with -f FILE, from the top of the context",
      });
    const own = request.dockerfileText === undefined ? [`${name}.dockerignore`] : [];
    for (const file of [...own, ".dockerignore"]) {
      const ignored = readInner(root, file);
      if (ignored !== undefined) return { file: name, text, ignore: { file: basename(file), text: ignored } };
    }
    return { file: name, text, ignore: undefined };
  } finally {
    nativeFs.close(root);
  }
}

function innerDefault(root: number): string {
  const there = (name: string): boolean => nativeFs.statInRoot(root, name, true) !== undefined;
  return !there("Dockerfile") && there("dockerfile") ? "dockerfile" : "Dockerfile";
}

/** Text of a file in a stranger's folder; undefined when there is none. Throws TSB_DOCKERFILE, TSB_USAGE. */
export function readInner(root: number, path: string): string | undefined {
  try {
    return nativeFs.readFileInRoot(root, path, limits.dockerfileBytes)?.toString("utf8");
  } catch (cause) {
    const code = errnoCode(cause);
    if (code === "ENOTDIR") return undefined;
    if (code === "EFBIG")
      throw new TsbuildError("TSB_DOCKERFILE", `${path} is larger than ${limits.dockerfileBytes} bytes`, {
        cause,
      });
    throw new TsbuildError("TSB_USAGE", `${path} of the context cannot be read: ${code}`, { cause });
  }
}

function shownPath(path: string): string {
  const inside = relative(process.cwd(), path);
  return inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}

/** Finds the Dockerfile of a request. `folder`: the context when it is one. Throws TSB_USAGE. */
export function readDockerfile(
  request: Pick<CompleteRequest, "dockerfile" | "dockerfileText">,
  folder: string | undefined,
): DockerfileSource {
  if (request.dockerfileText !== undefined) {
    return { file: "Dockerfile", text: request.dockerfileText, ignore: readIgnore(folder, undefined) };
  }
  if (request.dockerfile === undefined && folder === undefined) {
    throw new TsbuildError("TSB_USAGE", "there is neither a context nor a Dockerfile", {
      hint: "tsbuild build .",
    });
  }
  const path = resolve(request.dockerfile ?? defaultPath(folder ?? ""));
  const shown = request.dockerfile ?? shownPath(path);
  return {
    file: shown,
    text: readText(path, shown, request.dockerfile !== undefined),
    ignore: readIgnore(folder, join(dirname(path), basename(path))),
  };
}
