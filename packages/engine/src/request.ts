import { statSync } from "node:fs";
import { resolve } from "node:path";
import { errnoCode, hostPlatform, TsbuildError } from "@tsbuild/base";
import type { CompileRequest } from "@tsbuild/frontend";
import { nativeFs } from "@tsbuild/native-fs";
import { type LocalContext, pinLayout } from "@tsbuild/ops";
import type { Store } from "@tsbuild/store";
import type { BuildRequest } from "./api.ts";
import { type DockerfileSource, readDockerfile } from "./dockerfile-source.ts";
import { readStreamContext } from "./stream-context.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A request with everything read from disk and from standard input. */
export interface PreparedRequest {
  readonly request: BuildRequest;
  readonly dockerfile: DockerfileSource;
  readonly contexts: ReadonlyMap<string, LocalContext>;
}

function contextFolder(path: string): string {
  const folder = resolve(path);
  try {
    if (statSync(folder).isDirectory()) return folder;
  } catch (error) {
    if (errnoCode(error) !== "ENOENT" && errnoCode(error) !== "ENOTDIR") throw error;
    throw new TsbuildError("TSB_USAGE", `the build context ${JSON.stringify(path)} does not exist`, {
      cause: error,
    });
  }
  throw new TsbuildError("TSB_USAGE", `the build context ${JSON.stringify(path)} is not a folder`, {
    hint: "to name a Dockerfile, use -f FILE and give its folder as the last argument",
  });
}

async function ignorePatterns(ignore: DockerfileSource["ignore"]): Promise<readonly string[]> {
  if (ignore === undefined) return [];
  const { parseIgnoreFile } = await import("@tsbuild/dockerfile/patterns");
  return parseIgnoreFile(ignore.text, { file: ignore.file });
}

/** Local folders given as named contexts; other kinds go to the frontend as they are. */
function namedFolders(request: BuildRequest): [string, LocalContext][] {
  return Object.entries(request.buildContexts ?? {}).flatMap(([name, value]): [string, LocalContext][] =>
    value.includes("://") ? [] : [[name, { name, folder: contextFolder(value), ignore: [] }]],
  );
}

/** Reads the context and the Dockerfile. Throws TSB_USAGE, TSB_DOCKERFILE. */
export async function prepareRequest(
  request: BuildRequest,
  tools: { readonly store: Store; readonly signal: AbortSignal },
): Promise<PreparedRequest> {
  let effective = request;
  let folder: string | undefined;
  if (request.context.type === "folder") folder = contextFolder(request.context.path);
  if (request.context.type === "stream") {
    const stream = await readStreamContext(request.context.stream, { ...tools, fs: nativeFs });
    if (stream.type === "dockerfile")
      effective = { ...request, dockerfileText: request.dockerfileText ?? stream.text };
    else folder = stream.path;
    // A Dockerfile named with -f is looked up in the archive that came with it.
    if (stream.type === "folder" && request.dockerfile !== undefined)
      effective = { ...request, dockerfile: resolve(stream.path, request.dockerfile) };
  }
  const dockerfile = readDockerfile(effective, folder);
  const contexts = new Map<string, LocalContext>(namedFolders(request));
  if (folder !== undefined) {
    contexts.set("context", { name: "context", folder, ignore: await ignorePatterns(dockerfile.ignore) });
  }
  return { request: effective, dockerfile, contexts };
}

/** `--build-arg NAME` takes the caller's value, if there is one (D052). */
function buildArgs(request: BuildRequest, env: Env): Record<string, string> {
  const args: Record<string, string> = {};
  const epoch = env["SOURCE_DATE_EPOCH"];
  if (epoch !== undefined && epoch !== "") args["SOURCE_DATE_EPOCH"] = epoch;
  for (const [name, given] of Object.entries(request.buildArgs)) {
    const value = given ?? env[name];
    if (value !== undefined) args[name] = value;
  }
  return args;
}

/** A named context as the frontend takes it: a layout's tag is a digest by then. */
function contextPlace(name: string, value: string): string {
  if (value.startsWith("oci-layout://")) return pinLayout(value);
  return value.includes("://") ? value : `local:${name}`;
}

/** What the frontend is asked. */
export function compileRequest(prepared: PreparedRequest, env: Env): CompileRequest {
  const { request, dockerfile } = prepared;
  const named = Object.entries(request.buildContexts ?? {}).map(([name, value]) => [
    name,
    contextPlace(name, value),
  ]);
  return {
    file: dockerfile.file,
    text: dockerfile.text,
    ignore: dockerfile.ignore,
    target: request.target,
    platforms: request.platforms,
    buildPlatform: hostPlatform(),
    buildArgs: buildArgs(request, env),
    labels: request.labels,
    namedContexts: Object.fromEntries(named) as Record<string, string>,
    noCache: request.noCache ? "all" : request.noCacheFilter.length > 0 ? request.noCacheFilter : "none",
    network: request.network,
    addHosts: request.addHosts,
    ulimits: [],
  };
}
