import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type BuildEvent, sha256, TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { ImageResolver } from "@tsbuild/frontend";
import { nativeFs } from "@tsbuild/native-fs";
import { withAlignedHistory } from "@tsbuild/oci/documents";
import type { HttpFetcher, ImageProvider, StepGrants } from "@tsbuild/ops";
import type { Credentials, GitProvider } from "@tsbuild/ops/git";
import type { CompleteRequest } from "../complete-request.ts";
import { readInner } from "../dockerfile-source.ts";
import { asStep } from "../export-step.ts";
import { isRemote, type RemoteTools } from "../remote-context.ts";
import type { PreparedRequest } from "../request.ts";
import type { Session } from "../session.ts";
import { userNamespaceReport } from "../user-namespace.ts";
import { LOCK_NAME, parseLock, writeLock } from "./lock-file.ts";
import { readPolicy } from "./policy-file.ts";
import { BuildRules } from "./rules.ts";

export interface SourcesRequest {
  readonly session: Session;
  readonly request: CompleteRequest;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly grants: StepGrants;
  readonly signal: AbortSignal;
  readonly emit: (event: BuildEvent) => void;
}

/** Everything that a build reads from outside, under its policy and lock. */
export interface BuildSources extends RemoteTools {
  readonly rules: BuildRules;
  readonly images: ImageProvider;
  readonly resolver: ImageResolver;
}

function checkRequest({ offline, lock, pull }: CompleteRequest): void {
  const conflict = pull ? "--pull" : lock === "update" ? "--update-lock" : undefined;
  if (!offline || conflict === undefined) return;
  throw new TsbuildError("TSB_USAGE", `--offline and ${conflict} contradict each other`, {
    hint: "keep one of them",
  });
}

/** Throws TSB_USAGE for a policy that cannot be read and for flags that contradict each other. */
export async function openSources(options: SourcesRequest): Promise<BuildSources> {
  const { session, request, env, signal, emit } = options;
  checkRequest(request);
  const policyFile = request.sourcePolicy ?? (env["EXPERIMENTAL_BUILDKIT_SOURCE_POLICY"] || undefined);
  const policy = policyFile === undefined ? [] : readPolicy(policyFile);
  const rules = new BuildRules({ policy, mode: request.lock });
  const offline = request.offline ?? false;
  const credentials = credentialsOf(options);
  const update = request.lock === "update";
  const images = await session.images({
    pull: request.pull || update,
    keepOwn: update && !request.pull,
    offline,
    signal,
  });
  let git: Promise<GitProvider> | undefined;
  return {
    store: session.store,
    signal,
    emit,
    rules,
    images,
    resolver: resolverOf({
      images,
      rules,
      git: () => once(),
      http: () => httpOf(session, credentials, offline),
      emit,
      signal,
    }),
    git: () => once(),
    http: () => httpOf(session, credentials, offline),
  };
  function once(): Promise<GitProvider> {
    git ??= session.git({ credentials, offline, signal });
    return git;
  }
}

/** Hosts of repositories that the user named, as opposed to those that a Dockerfile names. */
async function ownHosts({ context, buildContexts = {} }: CompleteRequest): Promise<ReadonlySet<string>> {
  const { hostOf } = await import("@tsbuild/ops/git");
  const urls = [...Object.values(buildContexts), ...(context.type === "remote" ? [context.url] : [])];
  return new Set(urls.filter(isRemote).map((url) => hostOf(url).host.replace(/:\d+$/, "")));
}

/**
 * What was handed over. The agent of the user's own session is for hosts of the command line only: a Dockerfile must not log in with it
 * (X004).
 */
function credentialsOf({ env, grants, request }: SourcesRequest): Credentials {
  return {
    secret: async (id) => grants.secrets.get(id)?.value,
    ssh: async (id, host) => {
      const lent = grants.agents.get(id);
      const own = env["SSH_AUTH_SOCK"];
      if (lent !== undefined || id !== "default" || own === undefined) return lent;
      return (await ownHosts(request)).has(host) ? { type: "socket", path: own } : undefined;
    },
    knownHosts: knownHosts(env),
  };
}

async function httpOf(session: Session, credentials: Credentials, offline: boolean): Promise<HttpFetcher> {
  const [fetcher, { downloadLogin }] = await Promise.all([session.http(), import("@tsbuild/ops/http")]);
  return {
    fetch: async (url, context) =>
      fetcher.fetch(url, context, { authorization: await downloadLogin(url, credentials), offline }),
  };
}

interface ResolverParts extends Pick<BuildSources, "images" | "rules" | "git" | "http" | "emit" | "signal"> {}

/** Resolves base images, each shown as a step of its own when it is not known here, and the times of sources (D056). */
function resolverOf({ images, rules, git, http, emit, signal }: ResolverParts): ImageResolver {
  return {
    resolve: async (name, options) => {
      const resolvedBy = rules.imageName(name, options.platform);
      const { manifest, config } = await images
        .resolve(resolvedBy, {
          ...options,
          onRemote: (what, work) => asStep(emit, `[internal] load metadata for ${what}`, work),
        })
        .catch((error: unknown) => {
          throw rules.imageError(error, name, options.platform);
        });
      rules.foundImage(name, options.platform, { resolvedBy, digest: manifest });
      return { digest: manifest, config: withAlignedHistory(config) };
    },
    sourceTime: async (source) => {
      const applied = rules.apply(source);
      if (/^https?:/.test(applied.identifier)) return lastModified(await http(), applied.identifier, signal);
      if (!applied.identifier.startsWith("git://")) return undefined;
      const { gitRequest } = await import("@tsbuild/ops/git");
      const request = gitRequest(applied);
      const provider = await git();
      return provider.commitTime(request, await provider.resolve(request));
    },
  };
}

/** Seconds since the epoch that a server says a file is from. */
async function lastModified(
  http: HttpFetcher,
  url: string,
  signal: AbortSignal,
): Promise<number | undefined> {
  const vertex = sha256(`time of ${url}`) as string as VertexDigest;
  const context = { vertex, signal, emit: () => undefined, ignoreCache: false };
  const { modifiedMs } = await http.fetch(url, context);
  return modifiedMs === undefined ? undefined : Math.trunc(modifiedMs / 1000);
}

interface FoundLock {
  /** Where it is or would be written; undefined in a context that is not the user's own. */
  readonly path: string | undefined;
  readonly text: string | undefined;
}

function innerLock(folder: string): FoundLock {
  const root = nativeFs.openFolder(folder);
  try {
    return { path: undefined, text: readInner(root, LOCK_NAME) };
  } finally {
    nativeFs.close(root);
  }
}

/** The lock beside the Dockerfile, else at the top of the context. */
function findLock(request: CompleteRequest, prepared: PreparedRequest): FoundLock {
  const { context, dockerfile } = request;
  const folder = prepared.contexts.get("context")?.folder;
  if (context.type !== "folder")
    return folder === undefined ? { path: undefined, text: undefined } : innerLock(folder);
  const top = resolve(context.path);
  const own = dockerfile === undefined || isRemote(dockerfile) || request.dockerfileText !== undefined;
  const folders = [...new Set([own ? top : dirname(resolve(dockerfile)), top])];
  const path = folders.map((one) => join(one, LOCK_NAME)).find((one) => existsSync(one));
  return path === undefined
    ? { path: join(folders[0] ?? top, LOCK_NAME), text: undefined }
    : { path, text: readFileSync(path, "utf8") };
}

/** Puts the lock file to use, if there is one, and says so. Throws TSB_USAGE when it is wanted and cannot be. */
export async function useLock(
  sources: BuildSources,
  request: CompleteRequest,
  prepared: PreparedRequest,
): Promise<void> {
  const { path, text } = findLock(request, prepared);
  const shown = path ?? LOCK_NAME;
  if (request.lock === "locked" && text === undefined)
    throw new TsbuildError(
      "TSB_USAGE",
      `--locked: there is no ${LOCK_NAME} beside the Dockerfile or in the context`,
      {
        hint: "make it: tsbuild build --update-lock …",
      },
    );
  if (request.lock === "update" && path === undefined)
    throw new TsbuildError(
      "TSB_USAGE",
      `--update-lock: there is no folder of yours to write ${LOCK_NAME} to`,
      {
        hint: "use it with a context that is a folder",
      },
    );
  const lock = text === undefined ? undefined : parseLock(text, shown);
  sources.rules.useLock(lock);
  if (lock !== undefined && request.lock !== "update")
    await asStep(
      sources.emit,
      `[internal] use ${path === undefined ? LOCK_NAME : shownPath(path)}`,
      async () => undefined,
    );
}

function shownPath(path: string): string {
  const inside = `${process.cwd()}/`;
  return path.startsWith(inside) ? path.slice(inside.length) : path;
}

/** Writes what the build has found, when that was asked for. */
export async function saveLock(
  sources: BuildSources,
  request: CompleteRequest,
  prepared: PreparedRequest,
): Promise<void> {
  const { path } = findLock(request, prepared);
  if (request.lock !== "update" || path === undefined) return;
  await asStep(sources.emit, `writing ${shownPath(path)}`, async () =>
    writeLock(path, sources.rules.updated()),
  );
}

/** In a user namespace ssh takes itself for root and would look in root's home: it is told the user's files by name. */
function knownHosts(env: SourcesRequest["env"]): string | undefined {
  const own = env["TSBUILD_KNOWN_HOSTS"] || undefined;
  const home = userNamespaceReport(env) === undefined ? undefined : env["HOME"];
  return own ?? (home && `"${join(home, ".ssh/known_hosts")}" /etc/ssh/ssh_known_hosts`);
}
