import { TsbuildError } from "@tsbuild/base";

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

/** What to type for subordinate ids (subuid(5)); newuidmap is in the package uidmap of Debian and Ubuntu. */
export function subordinateIdsHint(uid: number): string {
  return [
    `as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -nu ${uid})`,
    "and have newuidmap and newgidmap installed (Debian, Ubuntu: apt-get install uidmap)",
  ].join(", ");
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
