import { errnoCode, TsbuildError } from "@tsbuild/base";

/** SQLite's primary result codes (sqlite.org/rescode.html). */
const SQLITE_BUSY = 5;
const SQLITE_PERM = 3;
const SQLITE_READONLY = 8;
const SQLITE_IOERR = 10;
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_CANTOPEN = 14;
const SQLITE_NOTADB = 26;

const NOT_WRITABLE: readonly number[] = [SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN];
const DAMAGED: readonly number[] = [SQLITE_CORRUPT, SQLITE_NOTADB];
/** Extended code: the shared-memory file of the WAL could not be grown; the filesystem is full. */
const SQLITE_IOERR_SHMSIZE = 4874;

function sqliteCode(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("errcode" in error)) return undefined;
  return typeof error.errcode === "number" ? error.errcode : undefined;
}

/** True for SQLite's "another process holds the lock". */
export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== undefined && (code & 0xff) === SQLITE_BUSY;
}

/** There is something else in the place of the root or of a folder above it, or nothing can be made there (/proc). */
function isNoPlace(error: unknown, root: string): boolean {
  if (!(error instanceof Error) || !["EEXIST", "ENOTDIR", "ENOENT"].includes(errnoCode(error) ?? ""))
    return false;
  const { syscall, path } = error as NodeJS.ErrnoException;
  return syscall === "mkdir" && path !== undefined && root.startsWith(path);
}

function isDiskFull(error: unknown): boolean {
  const errno = errnoCode(error);
  const code = sqliteCode(error);
  if (code === SQLITE_IOERR_SHMSIZE) return true;
  return errno === "ENOSPC" || errno === "EDQUOT" || (code !== undefined && (code & 0xff) === SQLITE_FULL);
}

function hintFor(error: unknown, root: string): string | undefined {
  const errno = errnoCode(error);
  const code = (sqliteCode(error) ?? 0) & 0xff;
  if (isNoPlace(error, root)) return `${root} cannot be a folder; choose another with --root or TSBUILD_ROOT`;
  if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS" || NOT_WRITABLE.includes(code)) {
    return `the state folder ${root} must be writable; choose another with --root or TSBUILD_ROOT`;
  }
  if (code === SQLITE_BUSY)
    return "another tsbuild process holds the state database for long; is it stopped?";
  if (errno === "EFBIG" || code === SQLITE_IOERR) {
    return "the system refuses to read or write it: a limit (ulimit -f), a quota, or a failing disk (dmesg); tsbuild fsck tells what is damaged";
  }
  if (DAMAGED.includes(code)) {
    return `the state folder ${root} may be damaged; remove it to start with an empty cache`;
  }
  return undefined;
}

/**
 * What a failed call on the state folder means to the user: TSB_DISK_FULL when the filesystem is full, TSB_STORE otherwise.
 * A TsbuildError passes unchanged. `doing` completes "cannot …".
 */
export function storeFailure(error: unknown, doing: string, root: string): TsbuildError {
  if (error instanceof TsbuildError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (isDiskFull(error)) {
    return new TsbuildError("TSB_DISK_FULL", `cannot ${doing}: the filesystem of ${root} is full`, {
      hint: "free space there, remove what no image needs with `tsbuild prune`, or move the state folder with --root",
      cause: error,
    });
  }
  return new TsbuildError("TSB_STORE", `cannot ${doing}: ${reason}`, {
    hint: hintFor(error, root),
    cause: error,
  });
}

/** Runs `body`; what it throws is told as a failure of the store. */
export function guarded<T>(doing: string, root: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw storeFailure(error, doing, root);
  }
}

/** `guarded` for what takes time. */
export async function guardedAsync<T>(doing: string, root: string, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw storeFailure(error, doing, root);
  }
}
