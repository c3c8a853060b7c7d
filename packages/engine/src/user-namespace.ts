import { readFileSync } from "node:fs";
import { errnoCode, TsbuildError } from "@tsbuild/base";

type Env = Readonly<Record<string, string | undefined>>;

/** What native/userns made for a normal user, or root without CAP_SYS_ADMIN, before this program was started. */
export interface UserNamespaceReport {
  /** `range`: all ids of /etc/subuid, or all that root knew; `single`: only the user's own, as root; `none`: it could not be made. */
  readonly got: "range" | "single" | "none";
  /** The user's id outside. */
  readonly uid: number;
  /** The call that failed and why, e.g. `newuidmap: not installed`; "" when nothing did. */
  readonly reason: string;
}

/** From TSBUILD_USERNS; undefined for whoever was root all along, with CAP_SYS_ADMIN. */
export function userNamespaceReport(env: Env): UserNamespaceReport | undefined {
  const match = /^(range|single|none) (\d+) (.*)$/s.exec(env["TSBUILD_USERNS"] ?? "");
  if (match === null) return undefined;
  return { got: match[1] as UserNamespaceReport["got"], uid: Number(match[2]), reason: match[3] ?? "" };
}

/** As many as images use; where distributions begin with them (SUB_UID_MIN and SUB_UID_COUNT of login.defs(5)). */
const ID_COUNT = 65_536;
const FIRST_ID = 100_000;

/** The first range that nobody has: two users of one range could read and change each other's files. From the text of subuid(5) files. */
export function freeIdRange(...tables: readonly string[]): string {
  const ends = tables
    .flatMap((table) => table.split("\n"))
    .map((line) => /^[^:]+:(\d{1,10}):(\d{1,10})$/.exec(line.trim()))
    .map((match) => Number(match?.[1] ?? 0) + Number(match?.[2] ?? 0));
  const first = Math.max(FIRST_ID, ...ends);
  return `${first}-${first + ID_COUNT - 1}`;
}

function table(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return "";
  }
}

/** What to type for subordinate ids (subuid(5)); newuidmap is in the package uidmap of Debian and Ubuntu. */
export function subordinateIdsHint({ uid, reason }: Pick<UserNamespaceReport, "uid" | "reason">): string {
  if (/^new[ug]idmap:/.test(reason)) return "see newuidmap, newgidmap below";
  const range = freeIdRange(table("/etc/subuid"), table("/etc/subgid"));
  return `as root: usermod --add-subuids ${range} --add-subgids ${range} $(id -nu ${uid})`;
}

/** A normal user's program that got no namespace can start no step. */
export function noNamespaceError(report: UserNamespaceReport): TsbuildError {
  return new TsbuildError("TSB_SANDBOX", `no user namespace for uid ${report.uid}: ${report.reason}`, {
    hint:
      report.uid === 0
        ? "--isolation=chroot does without; else give the container CAP_SYS_ADMIN or a seccomp profile that allows unshare; tsbuild doctor says more"
        : "tsbuild doctor says which setting of this machine forbids it; root needs none",
  });
}
