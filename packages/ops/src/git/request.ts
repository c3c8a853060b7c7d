import { hideCredentials, TsbuildError } from "@tsbuild/base";
import type { SourceOp } from "@tsbuild/llb";

/** A repository at a point of its history (X004). */
export interface GitRequest {
  /** As git takes it: `https://…`, `ssh://…`, `git://…` or `user@host:path`. */
  readonly url: string;
  /** Branch, tag, `refs/…` or commit; "": the remote's HEAD. */
  readonly ref: string;
  /** Folder of the repository that becomes the root; "": all of it. */
  readonly subdir: string;
  /** Leading digits of the commit (or of the annotated tag) that must be found; "": any. */
  readonly checksum: string;
  readonly keepGitDir: boolean;
  readonly submodules: boolean;
  /** Times of the files: that of the commit, or of the moment of the checkout. */
  readonly mtime: "checkout" | "commit";
  /** Ask the server for the commit, not for the name that leads to it. */
  readonly fetchByCommit: boolean;
  /** Ids of the secrets to log in with; a secret `ID.HOST` comes before `ID`. */
  readonly tokenSecret: string;
  readonly headerSecret: string;
  /** Id of the forwarded agent. */
  readonly ssh: string;
  /** Commit that a lock file has for the ref; "": none. */
  readonly pinned: string;
  /** Lines of a known_hosts file; "": those of the machine. */
  readonly knownHosts: string;
}

export const COMMIT = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** What git itself forbids in names (git-check-ref-format), and a dash in front, which would be an option. */
const BAD_REF = /^-|\.\.|[\0-\x20\x7f~^:?*[\\]|@\{|\/\/|\/$|\.lock$|^\//;

function refuse(what: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_RESOLVE", what, hint === undefined ? {} : { hint });
}

function checkUrl(url: string): string {
  const known =
    /^(?:https?|ssh|git):\/\/[^/\s-][^\s\0]*$/i.test(url) || /^[\w][\w.-]*@[\w[][^\s\0]*:/.test(url);
  if (/^git:\/\/[^/]*@/i.test(url))
    throw refuse(`${hideCredentials(url)}: the git protocol has no login`, "use https:// or ssh://");
  if (known && !/[\0-\x20\x7f]/.test(url)) return url;
  throw refuse(
    `${JSON.stringify(hideCredentials(url))} is not a git URL that can be fetched`,
    "use https://, http://, ssh://, git:// or user@host:path",
  );
}

function checkSubdir(subdir: string): string {
  const parts = subdir.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse(`the folder ${JSON.stringify(subdir)} leads out of the repository`);
  return parts.join("/");
}

/** Checks a request's words before they get near a command line. Throws TSB_RESOLVE. */
export function checkGitRequest(request: GitRequest): GitRequest {
  const { ref, checksum } = request;
  if (BAD_REF.test(ref)) throw refuse(`${JSON.stringify(ref)} is not a name that git has for a commit`);
  if (!/^[0-9a-f]{0,64}$/i.test(checksum))
    throw refuse(
      `the checksum ${JSON.stringify(checksum)} is not the beginning of a commit`,
      "write hex digits",
    );
  return {
    ...request,
    url: checkUrl(request.url),
    subdir: checkSubdir(request.subdir),
    checksum: checksum.toLowerCase(),
  };
}

/** The request that a source op with `git://…` makes. Throws TSB_RESOLVE. */
export function gitRequest({ identifier, attrs }: Pick<SourceOp, "identifier" | "attrs">): GitRequest {
  const [repository = "", fragment = ""] = splitOnce(identifier.slice("git://".length), "#");
  const [ref, subdir] = splitOnce(fragment, ":");
  return checkGitRequest({
    url: attrs["git.fullurl"] ?? `https://${repository}`,
    ref,
    subdir,
    checksum: attrs["git.checksum"] ?? "",
    keepGitDir: attrs["git.keepgitdir"] === "true",
    submodules: attrs["git.skipsubmodules"] !== "true",
    mtime: attrs["git.mtime"] === "commit" ? "commit" : "checkout",
    fetchByCommit: attrs["git.fetchbycommit"] === "true",
    tokenSecret: attrs["git.authtokensecret"] ?? "GIT_AUTH_TOKEN",
    headerSecret: attrs["git.authheadersecret"] ?? "GIT_AUTH_HEADER",
    ssh: attrs["git.mountsshsock"] ?? "default",
    pinned: attrs["git.pinned"] ?? "",
    knownHosts: attrs["git.knownsshhosts"] ?? "",
  });
}

function splitOnce(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + separator.length)];
}

/** Host (without port) and origin of a git URL. */
export function hostOf(url: string): { readonly host: string; readonly origin: string | undefined } {
  if (URL.canParse(url)) {
    const { host, protocol } = new URL(url);
    return { host, origin: /^https?:$/.test(protocol) ? `${protocol}//${host}` : undefined };
  }
  return { host: /@([^:]+):/.exec(url)?.[1] ?? "", origin: undefined };
}
