import { createReadStream } from "node:fs";
import { type BuildEvent, hideCredentials, TsbuildError, type VertexDigest } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import type { HttpFetcher } from "@tsbuild/ops";
import type { GitProvider } from "@tsbuild/ops/git";
import type { Store } from "@tsbuild/store";
import { asStep } from "./export-step.ts";
import type { SourceName, SourceRules } from "./sources/rules.ts";
import { readStreamContext, type StreamContext } from "./stream-context.ts";

export interface RemoteTools {
  readonly store: Store;
  readonly signal: AbortSignal;
  readonly emit: (event: BuildEvent) => void;
  readonly git: () => Promise<GitProvider>;
  readonly http: () => Promise<HttpFetcher>;
  readonly rules: SourceRules;
}

/** A context that came over the network, and the time that it is from (D056). */
export type RemoteContext = StreamContext & {
  readonly epochSeconds?: number | undefined;
  /** What the URL turned out to be: a commit, or the digest of a download. */
  readonly value?: string | undefined;
  /** The source that it would be in a graph. */
  readonly source?: SourceName | undefined;
};

export interface GitContextOptions {
  readonly keepGitDir: boolean;
  /** SOURCE_DATE_EPOCH is set: files get the time of the commit. */
  readonly reproducible: boolean;
}

/** True when a word of the command line is a URL and not a folder (C001, X004). */
export function isRemote(text: string): boolean {
  return (
    /^(?:https?|git|ssh):\/\//i.test(text) || /^github\.com\//.test(text) || /^[\w-]+@[\w.-]+:/.test(text)
  );
}

/** The source op of a git URL; undefined when it is none. Throws TSB_USAGE for what is wrong in it. */
async function gitOp(url: string, options: GitContextOptions) {
  const { gitSource, parseGitReference } = await import("@tsbuild/frontend/git");
  try {
    const reference = parseGitReference(url);
    if (reference === undefined) return undefined;
    const mtime = reference.mtime || (options.reproducible ? "commit" : "");
    const keepGitDir = reference.keepGitDir || options.keepGitDir;
    const { vertices } = gitSource({ ...reference, mtime, keepGitDir }, { name: url }).toGraph();
    return vertices.flatMap(({ op }) => (op.kind.type === "source" ? [op.kind] : []))[0];
  } catch (error) {
    if (!(error instanceof TsbuildError) || error.code !== "TSB_DOCKERFILE") throw error;
    throw new TsbuildError("TSB_USAGE", error.message, { hint: error.hint, cause: error });
  }
}

async function gitContext(op: SourceName, tools: RemoteTools): Promise<RemoteContext> {
  const [{ gitRequest }, git] = await Promise.all([import("@tsbuild/ops/git"), tools.git()]);
  const request = gitRequest(tools.rules.apply(op));
  const title = `[internal] load git source ${hideCredentials(request.url)}${request.ref === "" ? "" : `#${request.ref}`}`;
  return asStep(tools.emit, title, async () => {
    const resolved = await git.resolve(request);
    tools.rules.found(op, resolved.commit);
    const [layer] = tools.store.snapshots.lowers(await git.tree(request, resolved));
    if (layer === undefined) throw new Error("assertion failed: a tree of git has no layer");
    const epochSeconds = await git.commitTime(request, resolved);
    return { type: "folder", path: layer, epochSeconds, value: resolved.commit, source: op };
  });
}

/** Fetches a URL into the store and gives its path. */
async function download(
  url: string,
  tools: RemoteTools,
  title: string,
): Promise<{ readonly path: string; readonly modifiedMs: number | undefined; readonly value: string }> {
  const op = { identifier: url, attrs: {} };
  const applied = tools.rules.apply(op);
  return asStep(tools.emit, title, async (tell) => {
    const emit = (event: BuildEvent): void => (event.type === "status" ? tell(event) : undefined);
    // The step's own digest is told by `tell`.
    const context = { vertex: "" as VertexDigest, signal: tools.signal, emit, ignoreCache: false };
    const http = await tools.http();
    const { digest, modifiedMs } = await http.fetch(applied.identifier, context);
    const { checkDownload } = await import("@tsbuild/ops/http");
    checkDownload(applied, digest);
    tools.rules.found(op, digest);
    return { path: tools.store.blobs.path(digest), modifiedMs, value: digest };
  });
}

async function httpContext(url: string, tools: RemoteTools): Promise<RemoteContext> {
  const title = `[internal] load remote build context ${hideCredentials(url)}`;
  const { path, modifiedMs, value } = await download(url, tools, title);
  const context = await readStreamContext(createReadStream(path), { ...tools, fs: nativeFs });
  const epochSeconds = modifiedMs === undefined ? undefined : Math.trunc(modifiedMs / 1000);
  return { ...context, epochSeconds, value, source: { identifier: url, attrs: { "http.checksum": value } } };
}

/** Fetches the context that a URL names: a repository, an archive, or a Dockerfile without a context (C001, X004, X005). */
export async function openRemoteContext(
  url: string,
  options: GitContextOptions,
  tools: RemoteTools,
): Promise<RemoteContext> {
  const op = await gitOp(url, options);
  return op === undefined ? httpContext(url, tools) : gitContext(op, tools);
}

/** The text of a Dockerfile at a URL (`-f URL`, C002). */
export async function readRemoteDockerfile(url: string, tools: RemoteTools): Promise<string> {
  const { path } = await download(url, tools, `[internal] load remote Dockerfile ${hideCredentials(url)}`);
  const context = await readStreamContext(createReadStream(path), { ...tools, fs: nativeFs });
  if (context.type === "dockerfile") return context.text;
  throw new TsbuildError("TSB_USAGE", `${hideCredentials(url)} is an archive, not a Dockerfile`, {
    hint: `to use it as the context: tsbuild build ${hideCredentials(url)}`,
  });
}
