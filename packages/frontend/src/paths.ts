import { posix } from "node:path";

/** PATH of an image that sets none (D070). */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Cleans like Go's path.Clean: no trailing slash, `.` for an empty path. */
export function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** Joins below `parent` when relative; an absolute path stays as it is written. */
export function resolvePath(parent: string, path: string): string {
  if (posix.isAbsolute(path)) return path;
  return cleanPath(posix.join("/", parent, path));
}

/**
 * Where COPY and ADD put things (D095): relative to the working folder; a trailing slash, `.` or nothing say that
 * it is a folder and stay visible as `/` or `/.`.
 */
export function destinationPath(workdir: string, path: string): string {
  if (posix.isAbsolute(path)) return path;
  const relative = path === "." || path === "" ? "./" : path;
  const joined = resolvePath(workdir, relative);
  if (relative.endsWith("/") && !joined.endsWith("/")) return `${joined}/`;
  if (relative.endsWith("/.")) return joined === "/" ? "/." : `${joined}/.`;
  return joined;
}

/** A path of a context as a key: absolute and clean, it cannot leave the root (D093). */
export function contextPath(path: string): string {
  return cleanPath(posix.join("/", path));
}

/** True when the path has an unescaped wildcard (D105). */
export function hasWildcard(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const character = path[i] as string;
    if (character === "\\") i++;
    else if ("*?[".includes(character)) return true;
  }
  return false;
}

/**
 * The paths that are needed of a local context, for its `followpaths`: sorted, relative; none when everything is
 * needed.
 */
export function neededPaths(paths: ReadonlySet<string>): string[] {
  if (paths.has("/")) return [];
  const relative = Array.from(paths, (path) => cleanPath(posix.join(".", path)));
  return relative.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
