import { mkdirSync, renameSync, rmSync } from "node:fs";
import { posix } from "node:path";
import { hideCredentials, TsbuildError } from "@tsbuild/base";
import type { NativeFs } from "@tsbuild/native-fs";
import type { TarEntry } from "@tsbuild/oci";
import type { Repository } from "./cache.ts";
import { GitFailure, runGit, streamGit } from "./command.ts";
import { type Gitlink, readListing, submoduleUrl, submoduleUrls } from "./listing.ts";
import type { GitRequest } from "./request.ts";

export interface Checkout {
  readonly repository: Repository;
  readonly request: GitRequest;
  readonly commit: string;
  readonly fs: NativeFs;
  /** Descriptor of the folder to write to. */
  readonly root: number;
  /** Where below it; "": the folder itself. */
  readonly into: string;
  readonly mtimeNs: bigint;
  readonly signal: AbortSignal;
  /** Fetches another repository for a submodule. */
  readonly open: (
    request: GitRequest,
  ) => Promise<{ readonly repository: Repository; readonly commit: string }>;
  readonly depth: number;
}

// More than anyone nests by intention.
const MAX_DEPTH = 16;

/**
 * Writes the tree of a commit. Nothing is checked out by git: the tree comes as an archive through the unpacker that layers come through,
 * so that no link, hook, filter or submodule of a hostile repository leads anywhere (CVE-2024-32002 and its like).
 */
export async function writeTree(checkout: Checkout): Promise<void> {
  const { repository, request, commit } = checkout;
  const tree = request.subdir === "" ? `${commit}^{tree}` : `${commit}:${request.subdir}`;
  const listing = await repository
    .run(["ls-tree", "-r", "-z", "--full-tree", tree])
    .catch((error: unknown) => {
      if (error instanceof GitFailure) return undefined;
      throw error;
    });
  if (listing === undefined) return writeInnerFolder(checkout);
  const links = readListing(listing);
  await unpackTree(checkout, tree);
  if (request.submodules && links.length > 0) await writeSubmodules(checkout, links);
}

async function unpackTree(checkout: Checkout, tree: string): Promise<void> {
  const { repository, fs, root, into, mtimeNs, signal } = checkout;
  const { unpackArchive } = await import("@tsbuild/oci");
  const archive = streamGit({ args: ["archive", "--format=tar", tree], gitDir: repository.gitDir, signal });
  const map = (entry: TarEntry): TarEntry => ({ ...entry, path: posix.join(into, entry.path), mtimeNs });
  await unpackArchive(archive.stdout, root, { fs, map, signal });
  await archive.done;
}

function noFolder({ request, commit }: Checkout): TsbuildError {
  return new TsbuildError(
    "TSB_CONTEXT",
    `${hideCredentials(request.url)} has no folder ${JSON.stringify(request.subdir)} at commit ${commit}`,
    { hint: "the folder comes after the colon: …#REF:FOLDER" },
  );
}

async function modules(checkout: Checkout): Promise<Map<string, string>> {
  const { repository, commit } = checkout;
  const listing = await repository
    .run(["config", "-z", "--blob", `${commit}:.gitmodules`, "--list"])
    .catch((error: unknown) => {
      if (error instanceof GitFailure) return "";
      throw error;
    });
  return submoduleUrls(listing);
}

/** A folder that is no part of this repository may be one of a submodule. */
async function writeInnerFolder(checkout: Checkout): Promise<void> {
  const { repository, request, commit } = checkout;
  const links = readListing(await repository.run(["ls-tree", "-r", "-z", "--full-tree", commit]));
  const link = links.find(({ path }) => request.subdir === path || request.subdir.startsWith(`${path}/`));
  if (link === undefined || !request.submodules) throw noFolder(checkout);
  const subdir = request.subdir.slice(link.path.length + 1);
  await writeSubmodule(checkout, { link, urls: await modules(checkout), into: checkout.into, subdir });
}

async function writeSubmodules(checkout: Checkout, links: readonly Gitlink[]): Promise<void> {
  const urls = await modules(checkout);
  const { subdir } = checkout.request;
  for (const { path, commit } of links) {
    const link = { path: posix.join(subdir, path), commit };
    await writeSubmodule(checkout, { link, urls, into: posix.join(checkout.into, path), subdir: "" });
  }
}

interface Submodule {
  readonly link: Gitlink;
  readonly urls: ReadonlyMap<string, string>;
  readonly into: string;
  readonly subdir: string;
}

async function writeSubmodule(checkout: Checkout, { link, urls, into, subdir }: Submodule): Promise<void> {
  const { request, depth } = checkout;
  const url = urls.get(link.path);
  const where = `the submodule ${JSON.stringify(link.path)} of ${hideCredentials(request.url)}`;
  if (url === undefined)
    throw new TsbuildError("TSB_RESOLVE", `${where} has no URL in .gitmodules`, {
      hint: "leave submodules out: …/repo.git?submodules=false",
    });
  if (depth >= MAX_DEPTH)
    throw new TsbuildError("TSB_RESOLVE", `${where} is nested more than ${MAX_DEPTH} deep`);
  const inner = {
    ...request,
    url: submoduleUrl(url, request.url),
    ref: link.commit,
    checksum: "",
    pinned: "",
    subdir,
  };
  const opened = await checkout.open(inner).catch((error: unknown) => {
    if (!(error instanceof TsbuildError)) throw error;
    throw new TsbuildError(error.code, `${where}: ${error.message}`, { hint: error.hint, cause: error });
  });
  await writeTree({ ...checkout, ...opened, request: inner, into, depth: depth + 1 });
}

/** A `.git` of its own for a checkout: one commit, without history, hooks and credentials. */
export async function writeGitDir(
  checkout: Checkout,
  folders: { readonly scratch: string; readonly target: string },
): Promise<void> {
  const { repository, request, commit, signal } = checkout;
  const gitDir = posix.join(folders.scratch, ".git");
  mkdirSync(gitDir, { mode: 0o755 });
  const env = { GIT_ALLOW_PROTOCOL: "file" };
  const git = (...args: string[]): Promise<string> => runGit({ args, gitDir, env, signal });
  await git("init", "--quiet", "--template=");
  const refs = [`+refs/tsbuild/${commit}:refs/tsbuild/head`];
  await git(
    "fetch",
    "--quiet",
    "--no-tags",
    "--depth=1",
    "--no-write-fetch-head",
    "--",
    `file://${repository.gitDir}`,
    ...refs,
  );
  for (const name of refNames(request.ref)) await git("update-ref", "--no-deref", name, commit);
  await git("update-ref", "--no-deref", "HEAD", commit);
  await git("update-ref", "-d", "refs/tsbuild/head");
  await git("read-tree", commit);
  for (const [key, value] of [
    ["core.bare", "false"],
    ["remote.origin.url", hideCredentials(request.url)],
    ["remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"],
  ] as const)
    await git("config", key, value);
  rmSync(posix.join(gitDir, "logs"), { recursive: true, force: true });
  // The tree has no entry named .git (see readListing), so this is a new name in a folder of our own.
  renameSync(gitDir, posix.join(folders.target, ".git"));
}

/** Names under which the commit is kept beside HEAD. */
function refNames(ref: string): string[] {
  return /^refs\/(?:heads|tags)\//.test(ref) ? [ref] : [];
}
