import { posix } from "node:path";
import { type Annotations, type State, source } from "@tsbuild/llb";
import { mistake } from "./failure.ts";
import { decodePercent } from "./percent.ts";

/** A git repository as ADD and `--build-context` name it (D112). */
export interface GitReference {
  /** URL for git itself, without fragment and query. */
  readonly remote: string;
  readonly scheme: "http" | "https" | "ssh" | "git";
  readonly host: string;
  readonly path: string;
  readonly ref: string;
  readonly subdir: string;
  readonly checksum: string;
  readonly keepGitDir?: boolean | undefined;
  readonly submodules?: boolean | undefined;
  readonly mtime: string;
  readonly fetchByCommit: boolean;
  /** `github.com/o/r`: could as well be a path; counts as git for build contexts only. */
  readonly looksLocal: boolean;
}

interface Url {
  readonly remote: string;
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly fragment: string;
}

const SCP_STYLE = /^([a-zA-Z0-9-_]+)@([a-zA-Z0-9-.]+):(.*?)(?:\?(.*?))?(?:#(.*))?$/;
const URL_STYLE = /^(https?|ssh|git):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/i;

function splitScp(text: string): Url | undefined {
  const match = SCP_STYLE.exec(text);
  if (match === null) return undefined;
  const [, user, host = "", path = "", query = "", fragment = ""] = match;
  return { remote: `${user}@${host}:${path}`, scheme: "ssh", host, path, query, fragment };
}

function splitUrl(text: string): Url | undefined {
  const match = URL_STYLE.exec(text);
  if (match === null) return splitScp(text);
  const [, written = "", authority = "", path = "", query = "", fragment = ""] = match;
  const decoded = decodePercent(fragment);
  if (decoded === undefined) return undefined;
  const scheme = written.toLowerCase();
  const host = authority.slice(authority.lastIndexOf("@") + 1);
  return {
    remote: `${scheme}://${authority}${path}`,
    scheme,
    host,
    path,
    query,
    fragment: decoded,
  };
}

function parseBoolean(key: string, value: string): boolean {
  if (value === "" || /^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw mistake(
    `the query ${key}=${value} of a git URL is not a boolean`,
    `write ${key}=true or ${key}=false`,
  );
}

const QUERY_KEYS =
  "ref, tag, branch, subdir, checksum, commit, keep-git-dir, submodules, mtime, fetch-by-commit";

/** The query of a git URL, each key once. */
function readQuery(query: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(query)) {
    if (values.has(key)) throw mistake(`the git URL gives ${JSON.stringify(key)} twice`);
    if (!QUERY_KEYS.split(", ").includes(key))
      throw mistake(`a git URL has no query ${JSON.stringify(key)}`, `known: ${QUERY_KEYS}`);
    if (value === "" && !["submodules", "keep-git-dir", "fetch-by-commit"].includes(key))
      throw mistake(`the query ${JSON.stringify(key)} of the git URL has no value`);
    values.set(key, value);
  }
  return values;
}

function prefixed(prefix: string, name: string | undefined): string | undefined {
  return name === undefined || name.startsWith(prefix) ? name : `${prefix}${name}`;
}

/** The one value among those that name the same thing in several ways. */
function single(what: string, ...values: (string | undefined)[]): string {
  const given = [...new Set(values.filter((value) => value !== undefined && value !== ""))];
  if (given.length > 1) throw mistake(`the git URL gives the ${what} as ${given.join(" and as ")}`);
  return given[0] ?? "";
}

function optionalBoolean(query: ReadonlyMap<string, string>, key: string): boolean | undefined {
  const value = query.get(key);
  return value === undefined ? undefined : parseBoolean(key, value);
}

function fromUrl(url: Url, looksLocal: boolean): GitReference {
  const query = readQuery(url.query);
  const [fragmentRef = "", fragmentDir = ""] = splitOnce(url.fragment, ":");
  const mtime = query.get("mtime") ?? "";
  if (!["", "checkout", "commit"].includes(mtime))
    throw mistake(
      `the query mtime=${mtime} of the git URL is not known`,
      "use mtime=checkout or mtime=commit",
    );
  return {
    remote: looksLocal ? url.remote.replace("https://", "") : url.remote,
    scheme: url.scheme as GitReference["scheme"],
    host: url.host,
    path: url.path,
    ref: single(
      "reference",
      fragmentRef,
      query.get("ref"),
      prefixed("refs/tags/", query.get("tag")),
      prefixed("refs/heads/", query.get("branch")),
    ),
    subdir: single("folder", posix.join("/", fragmentDir).slice(1), query.get("subdir")),
    checksum: single("commit", query.get("commit"), query.get("checksum")),
    keepGitDir: optionalBoolean(query, "keep-git-dir"),
    submodules: optionalBoolean(query, "submodules"),
    mtime,
    fetchByCommit: optionalBoolean(query, "fetch-by-commit") ?? false,
    looksLocal,
  };
}

function splitOnce(text: string, separator: string): [string, string] {
  const index = text.indexOf(separator);
  return index < 0 ? [text, ""] : [text.slice(0, index), text.slice(index + separator.length)];
}

/**
 * Reads a git reference; undefined when the text is none: an http(s) URL is one only if its path ends in `.git`.
 * Throws TSB_DOCKERFILE (without a place) for a bad query.
 */
export function parseGitReference(text: string): GitReference | undefined {
  if (text.startsWith("./") || text.startsWith("../")) return undefined;
  if (text.startsWith("github.com/")) {
    const url = splitUrl(`https://${text}`);
    return url === undefined ? undefined : fromUrl(url, true);
  }
  const url = splitUrl(text);
  if (url === undefined) return undefined;
  if (url.scheme.startsWith("http") && !url.path.endsWith(".git")) return undefined;
  return fromUrl(url, false);
}

/** True for an http(s) URL that is a plain download. */
export function isHttpSource(text: string): boolean {
  return /^https?:\/\//.test(text) && parseGitReference(text) === undefined;
}

/** The source op of a repository. Its identifier is the same for all protocols, the URL is an attribute. */
export function gitSource(reference: GitReference, annotations: Annotations): State {
  const { ref, subdir } = reference;
  const fragment = ref === "" && subdir === "" ? "" : `#${ref}${subdir === "" ? "" : `:${subdir}`}`;
  const attrs: Record<string, string> = {
    "git.authheadersecret": "GIT_AUTH_HEADER",
    "git.authtokensecret": "GIT_AUTH_TOKEN",
    "git.fullurl": reference.looksLocal ? `https://${reference.remote}` : reference.remote,
  };
  if (reference.keepGitDir) attrs["git.keepgitdir"] = "true";
  if (reference.scheme === "ssh") attrs["git.mountsshsock"] = "default";
  if (reference.checksum) attrs["git.checksum"] = reference.checksum;
  if (reference.submodules === false) attrs["git.skipsubmodules"] = "true";
  if (reference.mtime) attrs["git.mtime"] = reference.mtime;
  if (reference.fetchByCommit) attrs["git.fetchbycommit"] = "true";
  const path = posix.join("/", reference.path);
  return source(`git://${reference.host}${path}${fragment}`, attrs, { annotations });
}
