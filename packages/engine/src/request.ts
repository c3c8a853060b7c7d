import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { errnoCode, formatPlatform, hideCredentials, hostPlatform, TsbuildError } from "@tsbuild/base";
import type { CompileRequest, IncludedFile } from "@tsbuild/frontend";
import { nativeFs } from "@tsbuild/native-fs";
import { type LocalContext, pinLayout } from "@tsbuild/ops";
import type { CompleteRequest } from "./complete-request.ts";
import {
  type DockerfileSource,
  readDockerfile,
  readIgnore,
  readInnerDockerfile,
} from "./dockerfile-source.ts";
import {
  isRemote,
  openRemoteContext,
  type RemoteContext,
  type RemoteTools,
  readRemoteDockerfile,
} from "./remote-context.ts";
import type { SourceName } from "./sources/rules.ts";
import { readStreamContext } from "./stream-context.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A request with everything read from disk and from standard input. */
export interface PreparedRequest {
  readonly request: CompleteRequest;
  readonly dockerfile: DockerfileSource;
  readonly contexts: ReadonlyMap<string, LocalContext>;
  /** Dockerfiles that are named contexts. */
  readonly includedFiles: NonNullable<CompileRequest["includedFiles"]>;
  /** Ignore files of named contexts that are folders. */
  readonly contextIgnores: NonNullable<CompileRequest["contextIgnores"]>;
  /** Seconds since the epoch that a fetched context is from. */
  readonly epochSeconds?: number | undefined;
  /** Those of a reproducible build that is given none. */
  readonly defaultEpochSeconds?: number | undefined;
  /** What the URL of a fetched context turned out to be: a commit, or the digest of a download. */
  readonly contextValue?: string | undefined;
  /** The source that the URL of a fetched context stands for; in the graph it is a folder. */
  readonly contextSource?: SourceName | undefined;
}

/** The absolute path of a context folder. Throws TSB_USAGE when it is none. */
export function contextFolder(path: string): string {
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

/** Of every context that is a folder. */
function modes({ contextMode }: CompleteRequest): Pick<LocalContext, "normalModes"> {
  return contextMode === "normalize" ? { normalModes: true } : {};
}

interface NamedFileContext {
  readonly context: LocalContext;
  readonly included: IncludedFile;
}

/** A folder given as a named context, with the ignore file at its top (D136). */
interface NamedFolder {
  readonly context: LocalContext;
  readonly ignore: DockerfileSource["ignore"];
}

/** Local folders given as named contexts; other kinds go to the frontend as they are. */
async function namedFolders(request: CompleteRequest): Promise<NamedFolder[]> {
  const named = Object.entries(request.buildContexts ?? {}).filter(([, value]) => isFolder(value));
  return Promise.all(
    named.map(async ([name, value]): Promise<NamedFolder> => {
      const folder = contextFolder(value);
      const ignore = request.noIgnore ? undefined : readIgnore(folder, undefined);
      const context = { name, folder, ignore: await ignorePatterns(ignore), ...modes(request) };
      return { context, ignore };
    }),
  );
}

/** Whether a named context is another Dockerfile: `dockerfile:PATH[#STAGE]` (W020). */
function isNamedFile(place: string): boolean {
  return place.startsWith("dockerfile:");
}

/** Whether the place of a named context is a folder: neither a URL nor, unless there is such a folder, github.com/owner/repo. */
function isFolder(place: string): boolean {
  if (isNamedFile(place)) return false;
  return (
    !place.includes("://") && (!isRemote(place) || (place.startsWith("github.com/") && existsSync(place)))
  );
}

/** Dockerfiles given as named contexts, each with the folder that it lies in as its context. */
async function namedFiles(request: CompleteRequest): Promise<readonly NamedFileContext[]> {
  const named = Object.entries(request.buildContexts ?? {}).filter(([, value]) => isNamedFile(value));
  if (named.length === 0) return [];
  const { readNamedFile } = await import("./included-files.ts");
  return Promise.all(
    named.map(async ([name, value]): Promise<NamedFileContext> => {
      const { included, folder } = readNamedFile(name, value);
      const ignore = request.noIgnore ? undefined : included.ignore;
      return {
        context: { name, folder, ignore: await ignorePatterns(ignore), ...modes(request) },
        included: { ...included, ignore },
      };
    }),
  );
}

/** Where the context's files are once they are here. */
interface OpenedContext {
  readonly folder: string | undefined;
  /** Filled by a stranger: its links must not be followed out of it. */
  readonly foreign: boolean;
  /** The whole input was a Dockerfile. */
  readonly text?: string | undefined;
  readonly epochSeconds?: number | undefined;
  readonly value?: string | undefined;
  readonly source?: SourceName | undefined;
  /** Name for messages of a folder that is not the user's own. */
  readonly shown?: string | undefined;
}

function asOpened(context: RemoteContext, shown: string): OpenedContext {
  const { epochSeconds, value, source } = context;
  const common = { foreign: true, epochSeconds, value, source };
  return context.type === "dockerfile"
    ? { ...common, folder: undefined, text: context.text }
    : { ...common, folder: context.path, shown };
}

async function openContext(request: CompleteRequest, tools: RemoteTools, env: Env): Promise<OpenedContext> {
  const { context } = request;
  switch (context.type) {
    case "folder":
      return { folder: contextFolder(context.path), foreign: false };
    case "stream":
      return asOpened(await readStreamContext(context.stream, { ...tools, fs: nativeFs }), "standard input");
    case "remote": {
      const args = buildArgs(request, env);
      const keepGitDir = /^(?:1|t|true)$/i.test(args["BUILDKIT_CONTEXT_KEEP_GIT_DIR"] ?? "");
      const reproducible = request.reproducible === true || (args["SOURCE_DATE_EPOCH"] ?? "") !== "";
      const opened = await openRemoteContext(context.url, { keepGitDir, reproducible }, tools);
      return asOpened(opened, hideCredentials(context.url));
    }
    case "none":
      return { folder: undefined, foreign: false };
  }
}

/** The Dockerfile of a request: given as text or URL, alone on standard input, in a stranger's context, or on this machine. */
async function findDockerfile(
  request: CompleteRequest,
  opened: OpenedContext,
  tools: RemoteTools,
): Promise<DockerfileSource> {
  const { folder, foreign, text } = opened;
  const { dockerfile } = request;
  const remote = request.dockerfileText === undefined && dockerfile !== undefined && isRemote(dockerfile);
  const given = remote ? await readRemoteDockerfile(dockerfile, tools) : (request.dockerfileText ?? text);
  const effective =
    given === undefined ? request : { ...request, dockerfile: undefined, dockerfileText: given };
  const found =
    foreign && folder !== undefined
      ? readInnerDockerfile(folder, effective)
      : readDockerfile(effective, folder);
  const named = remote ? { ...found, file: dockerfile } : found;
  return request.noIgnore ? { ...named, ignore: undefined } : named;
}

/** Reads the context and the Dockerfile. Throws TSB_USAGE, TSB_DOCKERFILE, and what fetching throws. */
export async function prepareRequest(
  request: CompleteRequest,
  tools: RemoteTools,
  env: Env,
): Promise<PreparedRequest> {
  const opened = await openContext(request, tools, env);
  const dockerfile = await findDockerfile(request, opened, tools);
  const named = await namedFolders(request);
  const files = await namedFiles(request);
  const contexts = new Map(
    [...named, ...files].map(({ context }): [string, LocalContext] => [context.name, context]),
  );
  const ignores = named.flatMap(({ context, ignore }) =>
    ignore === undefined ? [] : ([[context.name, ignore]] as const),
  );
  const { folder, epochSeconds, value: contextValue, source: contextSource, shown } = opened;
  if (folder !== undefined) {
    const ignore = await ignorePatterns(dockerfile.ignore);
    contexts.set("context", { name: "context", folder, shown, ignore, ...modes(request) });
  }
  const defaultEpochSeconds = await defaultEpoch(request, opened, tools.signal);
  const contextIgnores = Object.fromEntries(ignores);
  const includedFiles = Object.fromEntries(files.map(({ context, included }) => [context.name, included]));
  return {
    request,
    dockerfile,
    contexts,
    epochSeconds,
    defaultEpochSeconds,
    contextValue,
    contextSource,
    contextIgnores,
    includedFiles,
  };
}

/** `--build-arg NAME` takes the caller's value, if there is one (D052). */
export function buildArgs(request: CompleteRequest, env: Env): Record<string, string> {
  const args: Record<string, string> = {};
  const epoch = env["SOURCE_DATE_EPOCH"];
  if (epoch !== undefined && epoch !== "") args["SOURCE_DATE_EPOCH"] = epoch;
  for (const [name, given] of Object.entries(request.buildArgs)) {
    const value = given ?? env[name];
    if (value !== undefined) args[name] = value;
  }
  return args;
}

/** `github.com/o/r#ref` as an https URL that says that it is a repository. */
function withGitSuffix(value: string): string {
  const [, path = "", rest = ""] = /^([^?#]*)(.*)$/.exec(value) ?? [];
  return `${path.endsWith(".git") ? path : `${path.replace(/\/$/, "")}.git`}${rest}`;
}

/** A named context as the frontend takes it: a layout's tag is a digest by then. */
function contextPlace(name: string, value: string): string {
  if (value.startsWith("oci-layout://")) return pinLayout(value);
  if (isNamedFile(value)) return `dockerfile:${name}`;
  if (isFolder(value)) return `local:${name}`;
  return value.startsWith("github.com/") ? `https://${withGitSuffix(value)}` : value;
}

/** Each platform once, in the order of the flag. */
function differentPlatforms({ platforms }: CompleteRequest): CompileRequest["platforms"] {
  return [...new Map(platforms.map((platform) => [formatPlatform(platform), platform])).values()];
}

/** The time that a reproducible build is dated: of the context's commit, else of the beginning of time. */
async function defaultEpoch(
  request: CompleteRequest,
  { folder, epochSeconds }: OpenedContext,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (!request.reproducible) return undefined;
  if (epochSeconds !== undefined) return epochSeconds;
  if (folder === undefined || request.context.type !== "folder") return 0;
  const { folderCommitTime } = await import("@tsbuild/ops/git");
  return (await folderCommitTime(folder, signal)) ?? 0;
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
    platforms: differentPlatforms(request),
    buildPlatform: hostPlatform(),
    buildArgs: buildArgs(request, env),
    contextEpochSeconds: prepared.epochSeconds,
    reproducible:
      prepared.defaultEpochSeconds === undefined ? undefined : { epochSeconds: prepared.defaultEpochSeconds },
    contextIgnores: prepared.contextIgnores,
    includedFiles: prepared.includedFiles,
    labels: request.labels,
    secretNames: Object.keys(request.secrets ?? {}).sort(),
    namedContexts: Object.fromEntries(named) as Record<string, string>,
    noCache: request.noCache ? "all" : request.noCacheFilter.length > 0 ? request.noCacheFilter : "none",
    network: request.network,
    addHosts: request.addHosts,
    ulimits: request.ulimits ?? [],
    shmSizeBytes: request.shmSizeBytes,
    cgroupParent: request.cgroupParent,
  };
}
