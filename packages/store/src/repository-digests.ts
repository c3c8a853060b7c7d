import { type Digest, isDigest } from "@tsbuild/base";
import type { Store } from "./api.ts";

/** A repository that has an image, and the digest under which: that of a manifest or of an index over it. */
export interface RepositoryDigest {
  readonly host: string;
  readonly repository: string;
  readonly digest: Digest;
}

const KIND = "repository-digest";
/** Per image; the newest is kept. */
const MAX_REPOSITORIES = 20;

function isOf(a: RepositoryDigest, b: RepositoryDigest): boolean {
  return a.host === b.host && a.repository === b.repository;
}

/** Where an image (by ID) was pulled from or pushed to, newest first. A name that it was given here is none of these. */
export function repositoryDigests(store: Store, image: Digest): RepositoryDigest[] {
  const value = store.memo.get(KIND, image);
  const lines = value === undefined ? [] : Buffer.from(value).toString("utf8").split("\n");
  return lines.flatMap((line) => {
    const [host = "", repository = "", digest = ""] = line.split(" ");
    return isDigest(digest) ? [{ host, repository, digest }] : [];
  });
}

export function rememberRepositoryDigest(store: Store, image: Digest, found: RepositoryDigest): void {
  const others = repositoryDigests(store, image).filter((known) => !isOf(known, found));
  const lines = [found, ...others]
    .slice(0, MAX_REPOSITORIES)
    .map(({ host, repository, digest }) => `${host} ${repository} ${digest}`);
  store.memo.set(KIND, image, Buffer.from(lines.join("\n"), "utf8"));
}
