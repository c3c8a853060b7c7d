/** Gates of who may do what: the programs that map subordinate ids, and the kernel's security modules. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { DEFAULT_PROFILE, type HostFacts } from "@tsbuild/sandbox";
import { type Gate, gate } from "./gate.ts";
import type { UserNamespaceReport } from "./user-namespace.ts";

const SET_USER_ID = 0o4000;
const MAPPERS = ["newuidmap", "newgidmap"] as const;

function modeOf(name: string, path: string): { readonly file: string; readonly mode: number } | undefined {
  for (const folder of path.split(delimiter).filter((part) => part !== "")) {
    const file = join(folder, name);
    const stat = statOf(file);
    if (stat?.isFile() === true) return { file, mode: stat.mode };
  }
  return undefined;
}

/** As for a shell, a folder of $PATH that this user may not look into has no program. */
function statOf(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoCode(error) === "EACCES") return undefined;
    throw error;
  }
}

/**
 * What is wrong with a mapper; "" if nothing is known to be. File capabilities do instead of the bit, so it is blamed only when it was tried and
 * refused.
 */
function mapperFault(name: string, path: string, reason: string): string {
  const found = modeOf(name, path);
  if (found === undefined) return `${name} is not installed`;
  if (!reason.startsWith(`${name}:`)) return "";
  return (found.mode & SET_USER_ID) === 0
    ? `${found.file} has no set-user-ID bit, nor capabilities that work`
    : `${found.file} refuses to map the ranges of /etc/subuid and /etc/subgid`;
}

/** Either the bit, as Debian has it, or capabilities, as Fedora has it. */
function mapperFix(path: string): string {
  const found = MAPPERS.map((name) => modeOf(name, path));
  const files = found.map((one) => one?.file);
  if (found.every((one) => ((one?.mode ?? 0) & SET_USER_ID) !== 0))
    return `findmnt -T ${files[0]}: a file system that is mounted nosuid ignores the set-user-ID bit; grep "^$(id -un):" /etc/subuid /etc/subgid: ranges of one user may not overlap`;
  if (files.includes(undefined)) return "apt-get install uidmap (dnf install shadow-utils)";
  return `as root: chmod u+s ${files.join(" ")}, or setcap cap_setuid=ep ${files[0]} and setcap cap_setgid=ep ${files[1]}; not on a file system mounted nosuid`;
}

/** newuidmap(1) and newgidmap(1) write maps that this user may not write: they have to be root's, or hold CAP_SETUID and CAP_SETGID. */
export function mapperGate(
  env: Readonly<Record<string, string | undefined>>,
  report: UserNamespaceReport | undefined,
): Gate {
  const works = report?.got === "range";
  const reason = report?.reason ?? "";
  const faults = MAPPERS.map((name) => mapperFault(name, env["PATH"] ?? "", reason)).filter(
    (text) => text !== "",
  );
  const needed = report !== undefined && report.uid !== 0;
  return gate({
    name: "newuidmap, newgidmap",
    holds: !needed || faults.length === 0,
    found: !needed
      ? "not needed: this is root"
      : faults.length > 0
        ? faults.join(", ")
        : works
          ? "map ids"
          : "installed",
    fallback: "files and steps of root alone: a change to another owner fails",
    fix: mapperFix(env["PATH"] ?? ""),
  });
}

function readLine(path: string): string {
  try {
    return readFileSync(path, "utf8").replaceAll("\0", "").trim();
  } catch (error) {
    /* EINVAL: the kernel has the file, and no module that would answer. */
    if (errnoCode(error) === undefined) throw error;
    return "";
  }
}

/** What confines this process, and its steps as far as they enter no profile of their own. */
export function securityModuleGate(): Gate {
  const modules = readLine("/sys/kernel/security/lsm");
  const label = readLine("/proc/self/attr/current");
  return gate({
    name: "security modules",
    holds: true,
    found: `${modules === "" ? "not told" : modules}; this process: ${label === "" ? "no profile" : label}`,
    fallback: "",
    fix: "",
  });
}

/** Which profile steps enter unless `--security-opt` names one. */
export function appArmorGate({ apparmor }: Pick<HostFacts, "apparmor">): Gate {
  const loaded = apparmor?.profiles?.find(({ name }) => name === DEFAULT_PROFILE);
  return gate({
    name: "AppArmor",
    holds: apparmor === undefined || loaded !== undefined,
    found: appArmorState(apparmor, loaded?.mode),
    fallback: "steps enter no profile unless --security-opt apparmor=… names one",
    fix: `as root: tsbuild debug apparmor > /etc/apparmor.d/${DEFAULT_PROFILE}; apparmor_parser -r /etc/apparmor.d/${DEFAULT_PROFILE}`,
  });
}

function appArmorState(apparmor: HostFacts["apparmor"], mode: string | undefined): string {
  if (apparmor === undefined) return "off, or not in this kernel: steps enter no profile";
  if (mode !== undefined) return `steps enter ${DEFAULT_PROFILE} (${mode})`;
  return apparmor.profiles === undefined
    ? "on; which profiles are loaded only root is told, in /sys/kernel/security"
    : `on, with ${apparmor.profiles.length} profiles; ${DEFAULT_PROFILE} is not among them`;
}
