import { isDigest, TsbuildError } from "@tsbuild/base";
import { writeWhole } from "../write-whole.ts";

export const LOCK_NAME = "tsbuild.lock";

/** What a build's sources were: every name that can mean something else tomorrow (W025). */
export interface LockContent {
  /** Manifest digest by image name and platform. */
  readonly images: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Digest of the body by URL. */
  readonly http: Readonly<Record<string, string>>;
  /** Commit by `URL#REF`. */
  readonly git: Readonly<Record<string, string>>;
}

export const EMPTY_LOCK: LockContent = { images: {}, http: {}, git: {} };

type Check = (value: string) => boolean;

const isCommit: Check = (value) => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(value);

function invalid(path: string, why: string, cause?: unknown): TsbuildError {
  return new TsbuildError("TSB_USAGE", `${path}: ${why}`, {
    hint: `remove it and make it anew: tsbuild build --update-lock …`,
    cause,
  });
}

function record(path: string, where: string, value: unknown): Record<string, unknown> {
  if (value === undefined) return {};
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw invalid(path, `${where} is not an object`);
}

function texts(path: string, where: string, value: unknown, check: Check): Record<string, string> {
  const entries = Object.entries(record(path, where, value)).map(([key, one]): [string, string] => {
    if (typeof one === "string" && check(one)) return [key, one];
    throw invalid(
      path,
      `${where}[${JSON.stringify(key)}] is ${JSON.stringify(one)}, which is no digest or commit`,
    );
  });
  return Object.fromEntries(entries);
}

/** Reads a lock file's text. Throws TSB_USAGE naming the field. */
export function parseLock(text: string, path: string): LockContent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const merge = /^(?:<<<<<<<|=======|>>>>>>>)/m.test(text)
      ? "it has conflict markers"
      : "it is not valid JSON";
    throw invalid(path, merge, cause);
  }
  const { version, images, http, git, ...rest } = record(path, "the lock", value);
  if (version !== 1)
    throw invalid(path, `its version is ${JSON.stringify(version)}; this tsbuild knows version 1`);
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(path, `unknown field ${JSON.stringify(unknown)}`);
  const byName = Object.entries(record(path, "images", images)).map(
    ([name, platforms]): [string, Record<string, string>] => [
      name,
      texts(path, `images[${JSON.stringify(name)}]`, platforms, isDigest),
    ],
  );
  return {
    images: Object.fromEntries(byName),
    http: texts(path, "http", http, isDigest),
    git: texts(path, "git", git, isCommit),
  };
}

function sorted<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The text of a lock file: sorted, a line per source, so that changes are seen in a diff. */
export function formatLock({ images, http, git }: LockContent): string {
  const byName = Object.entries(images).map(([name, platforms]): [string, Record<string, string>] => [
    name,
    sorted(platforms),
  ]);
  const value = {
    version: 1,
    images: sorted(Object.fromEntries(byName)),
    http: sorted(http),
    git: sorted(git),
  };
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Replaces a lock file; readers see the old or the new one. Rejects with TSB_EXPORT or TSB_DISK_FULL. */
export function writeLock(path: string, content: LockContent): Promise<void> {
  return writeWhole(path, formatLock(content));
}
