import { hideCredentials, TsbuildError } from "@tsbuild/base";
import { COMMIT, type GitRequest } from "./request.ts";

/** A commit and the name of it that the server has. */
export interface ResolvedRef {
  readonly commit: string;
  /** Full name on the server; undefined when the commit was asked for itself. */
  readonly name: string | undefined;
  /** Object of an annotated tag. */
  readonly tag?: string | undefined;
}

/** Patterns for `git ls-remote` that find a ref in every way in which it can be meant. */
export function refPatterns(ref: string): string[] {
  if (ref === "" || ref === "HEAD") return ["HEAD"];
  const full = ref.startsWith("refs/") ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`, `refs/${ref}`];
  return full.flatMap((name) => [name, `${name}^{}`]);
}

function parseListing(listing: string): Map<string, string> {
  const refs = new Map<string, string>();
  for (const line of listing.split("\n")) {
    const [id, name] = line.split("\t");
    if (id !== undefined && name !== undefined && COMMIT.test(id)) refs.set(name, id);
  }
  return refs;
}

/** Picks the commit from what `git ls-remote` printed: a branch before a tag of the same name, as `git checkout` does. */
export function pickRef(listing: string, request: GitRequest): ResolvedRef {
  const refs = parseListing(listing);
  for (const name of refPatterns(request.ref).filter((pattern) => !pattern.endsWith("^{}"))) {
    const id = refs.get(name);
    if (id === undefined) continue;
    const peeled = refs.get(`${name}^{}`);
    return peeled === undefined ? { commit: id, name } : { commit: peeled, name, tag: id };
  }
  const what =
    request.ref === ""
      ? "has no HEAD: it may be empty"
      : `has no branch or tag ${JSON.stringify(request.ref)}`;
  throw new TsbuildError("TSB_RESOLVE", `${hideCredentials(request.url)} ${what}`, {
    hint: /^[0-9a-f]{4,39}$/.test(request.ref)
      ? "a commit has to be given with all its 40 digits"
      : `see what there is: git ls-remote ${hideCredentials(request.url)}`,
  });
}

/** Holds a commit against the checksum that was asked for. Throws TSB_INTEGRITY. */
export function checkCommit(resolved: ResolvedRef, request: GitRequest): void {
  const { checksum } = request;
  if (checksum === "" || resolved.commit.startsWith(checksum) || resolved.tag?.startsWith(checksum)) return;
  const what = request.ref === "" ? "HEAD" : request.ref;
  throw new TsbuildError(
    "TSB_INTEGRITY",
    `${hideCredentials(request.url)}: ${what} is commit ${resolved.commit}, and ${checksum} was expected`,
    { hint: "the branch or tag has moved, or the checksum is wrong" },
  );
}
