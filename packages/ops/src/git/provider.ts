import { hideCredentials, type SnapshotId, sha256Fields, TsbuildError } from "@tsbuild/base";
import type { OpsEnvironment } from "../environment.ts";
import { Repository } from "./cache.ts";
import { writeGitDir, writeTree } from "./checkout.ts";
import { type Credentials, login } from "./login.ts";
import { COMMIT, checkGitRequest, type GitRequest, hostOf } from "./request.ts";
import { checkCommit, type ResolvedRef } from "./resolve-ref.ts";

/** Git repositories as sources of a build. */
export interface GitProvider {
  /** The commit that a request means now; over the network unless it names the commit itself. */
  resolve(request: GitRequest): Promise<ResolvedRef>;
  /** The tree of that commit as a snapshot of its own. */
  tree(request: GitRequest, resolved: ResolvedRef): Promise<SnapshotId>;
  /** Seconds since the epoch. */
  commitTime(request: GitRequest, resolved: ResolvedRef): Promise<number>;
}

export interface GitOptions {
  readonly env: Pick<OpsEnvironment, "store" | "fs">;
  readonly credentials: Credentials;
  /** Names no remote: refs are what they were when they were last asked for (W026). */
  readonly offline: boolean;
  readonly signal: AbortSignal;
}

/** What is in the key of a tree: everything that changes a file of it. */
export function treeKey(request: GitRequest, { commit }: ResolvedRef): readonly string[] {
  const { subdir, keepGitDir, submodules, mtime } = request;
  // The URL and the name are written into .git; the files are those of the commit wherever it came from (V018).
  const named = keepGitDir && subdir === "" ? [hideCredentials(request.url), request.ref] : [];
  return ["git-1", commit, subdir, String(keepGitDir), String(submodules), mtime, ...named];
}

export function createGitProvider(options: GitOptions): GitProvider {
  const { store } = options.env;
  const resolved = new Map<string, Promise<ResolvedRef>>();
  return {
    resolve: (request) => {
      const key = JSON.stringify([request.url, request.ref, request.checksum, request.pinned]);
      const running = resolved.get(key) ?? resolveOnce(options, request);
      resolved.set(key, running);
      return running;
    },
    tree: async (request, commit) => {
      const key = sha256Fields(treeKey(request, commit));
      const known = store.memo.get("git-tree", key);
      const id = known === undefined ? undefined : (Buffer.from(known).toString("latin1") as SnapshotId);
      if (id !== undefined && store.snapshots.exists(id)) return id;
      const snapshot = await makeTree(options, request, commit);
      store.memo.set("git-tree", key, Buffer.from(String(snapshot), "latin1"));
      return snapshot;
    },
    commitTime: async (request, at) => {
      const known = store.memo.get("git-time", at.commit);
      if (known !== undefined) return Number(Buffer.from(known).toString("latin1"));
      const repository = await openRepository(options, request, at, request.url);
      const seconds = await repository.commitTime(at.commit);
      store.memo.set("git-time", at.commit, Buffer.from(String(seconds), "latin1"));
      return seconds;
    },
  };
}

async function repositoryOf(options: GitOptions, request: GitRequest, asked: string): Promise<Repository> {
  const { env, credentials, signal } = options;
  const hostSecretsOnly = hostOf(request.url).host !== hostOf(asked).host;
  const access = await login({ ...request, hostSecretsOnly }, credentials, () => env.store.temporaryFolder());
  return new Repository({ root: env.store.root, request, login: access, signal });
}

function refMemo(request: GitRequest): string {
  return `${hideCredentials(request.url)}#${request.ref}`;
}

async function resolveOnce(options: GitOptions, request: GitRequest): Promise<ResolvedRef> {
  const exact = COMMIT.test(request.ref) ? request.ref : request.pinned;
  const found =
    exact !== ""
      ? { commit: exact, name: undefined }
      : options.offline
        ? rememberedRef(options, request)
        : await askRemote(options, request);
  checkCommit(found, request);
  return found;
}

function rememberedRef({ env }: GitOptions, request: GitRequest): ResolvedRef {
  const bytes = env.store.memo.get("git-ref", refMemo(request));
  if (bytes !== undefined) return JSON.parse(Buffer.from(bytes).toString("utf8")) as ResolvedRef;
  const what = request.ref === "" ? "HEAD" : request.ref;
  throw new TsbuildError(
    "TSB_RESOLVE",
    `${hideCredentials(request.url)}: ${what} is not known here, and the build is offline`,
    {
      hint: `build once without --offline: ${hostOf(request.url).host} would be asked`,
    },
  );
}

async function askRemote(options: GitOptions, request: GitRequest): Promise<ResolvedRef> {
  const repository = await repositoryOf(options, request, request.url);
  await locked(options, repository, () => repository.open());
  const found = await repository.resolve();
  options.env.store.memo.set("git-ref", refMemo(request), Buffer.from(JSON.stringify(found)));
  return found;
}

async function locked<T>(
  { env, signal }: GitOptions,
  repository: Repository,
  work: () => Promise<T>,
): Promise<T> {
  const lock = await env.store.locks.acquire(`git ${repository.gitDir}`, signal);
  try {
    return await work();
  } finally {
    lock.release();
  }
}

/** The repository with the commit in it, fetched if need be. `asked`: URL of the repository that the user named. */
async function openRepository(
  options: GitOptions,
  request: GitRequest,
  resolved: ResolvedRef,
  asked: string,
): Promise<Repository> {
  const repository = await repositoryOf(options, request, asked);
  await locked(options, repository, async () => {
    await repository.open();
    if (await repository.has(resolved.commit)) return;
    if (options.offline)
      throw new TsbuildError(
        "TSB_RESOLVE",
        `commit ${resolved.commit} of ${hideCredentials(request.url)} is not here, and the build is offline`,
        {
          hint: `build once without --offline: ${hostOf(request.url).host} would be asked`,
        },
      );
    await repository.fetch(resolved);
  });
  return repository;
}

async function makeTree(
  options: GitOptions,
  request: GitRequest,
  resolved: ResolvedRef,
): Promise<SnapshotId> {
  const { env, signal } = options;
  const { fs, store } = env;
  const { commit } = resolved;
  const repository = await openRepository(options, request, resolved, request.url);
  const seconds =
    request.mtime === "commit" ? await repository.commitTime(commit) : Math.trunc(Date.now() / 1000);
  const open = async (inner: GitRequest) => {
    const checked = checkGitRequest(inner);
    const at = { commit: checked.ref, name: undefined };
    return { repository: await openRepository(options, checked, at, request.url), commit: checked.ref };
  };
  const layer = store.snapshots.prepare(null, { inPlace: true });
  const root = fs.openFolder(layer.upper);
  try {
    const mtimeNs = BigInt(seconds) * 1_000_000_000n;
    const checkout = { repository, request, commit, fs, root, into: "", mtimeNs, signal, open, depth: 0 };
    await writeTree(checkout);
    if (request.keepGitDir && request.subdir === "")
      await writeGitDir(checkout, { scratch: store.temporaryFolder(), target: layer.upper });
  } catch (error) {
    fs.close(root);
    store.snapshots.discard(layer);
    throw error;
  }
  fs.close(root);
  return store.snapshots.commit(layer);
}
