import { posix } from "node:path";
import { TsbuildError } from "@tsbuild/base";

/** A submodule of a tree: where it is, and at which commit. */
export interface Gitlink {
  readonly path: string;
  readonly commit: string;
}

/**
 * Reads `git ls-tree -r -z` (one byte a character): finds submodules, and refuses what git itself would not check out, such as an entry
 * named `.git`, which could be a link for the repository to be written through. Throws TSB_INTEGRITY.
 */
export function readListing(listing: string): Gitlink[] {
  const links: Gitlink[] = [];
  for (const record of listing.split("\0")) {
    if (record === "") continue;
    const tab = record.indexOf("\t");
    const path = record.slice(tab + 1);
    if (/(?:^|\/)(?:\.git|\.{0,2})(?:\/|$)/i.test(path))
      throw new TsbuildError(
        "TSB_INTEGRITY",
        `the repository holds an entry ${JSON.stringify(path)}, which git forbids`,
      );
    const [mode, , commit] = record.slice(0, tab).split(" ");
    if (mode === "160000" && commit !== undefined)
      links.push({ path: Buffer.from(path, "latin1").toString("utf8"), commit });
  }
  return links;
}

/** URLs of submodules by path, from `git config -z --list` of a .gitmodules. */
export function submoduleUrls(listing: string): Map<string, string> {
  const modules = new Map<string, { path?: string; url?: string }>();
  for (const record of listing.split("\0")) {
    const match = /^submodule\.([\s\S]*)\.(path|url)\n([\s\S]*)$/.exec(
      Buffer.from(record, "latin1").toString("utf8"),
    );
    if (match === null) continue;
    const [, name = "", key, value = ""] = match;
    modules.set(name, { ...modules.get(name), [key as "path" | "url"]: value });
  }
  const urls = new Map<string, string>();
  for (const { path, url } of modules.values()) {
    if (path !== undefined && url !== undefined) urls.set(posix.normalize(path).replace(/\/$/, ""), url);
  }
  return urls;
}

/** The URL of a submodule; `./` and `../` are relative to the repository it is in (git-submodule). */
export function submoduleUrl(url: string, parent: string): string {
  if (!url.startsWith("./") && !url.startsWith("../")) return url;
  const scp = /^([^/]+@[^/:]+:)(.*)$/.exec(parent);
  if (scp !== null) return `${scp[1]}${posix.join(scp[2] ?? "", url)}`;
  const base = new URL(parent);
  base.pathname = posix.join(base.pathname, url);
  return base.href;
}
