/** Gates of namespaces: whether they can be made, with which ids, and what forbids them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import type { Isolation } from "@tsbuild/ops";
import { CHROOT_SHARES } from "@tsbuild/sandbox";
import { mapperGate } from "./doctor-rights.ts";
import { type Gate, gate } from "./gate.ts";
import { subordinateIdsHint, type UserNamespaceReport, userNamespaceReport } from "./user-namespace.ts";

/** What to do about a gate that nothing but a missing namespace shuts. */
export const SEE_NAMESPACE = "see user namespace";

type Env = Readonly<Record<string, string | undefined>>;

export interface NamespaceFacts {
  readonly env: Env;
  /** Where procfs is. */
  readonly proc: string;
  /** What keeps steps apart here when nothing is asked for. */
  readonly isolation: Isolation;
}

/** A setting of the kernel; undefined where this kernel has no such file. */
function sysctl(proc: string, name: string): string | undefined {
  try {
    return readFileSync(join(proc, "sys", name.replaceAll(".", "/")), "utf8").trim();
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}

interface Setting {
  readonly name: string;
  readonly forbids: string;
  readonly allow: string;
}

/** A setting that forbids user namespaces at one value. */
function setting(proc: string, { name, forbids, allow }: Setting): Gate {
  const value = sysctl(proc, name);
  return gate({
    name,
    holds: value !== forbids,
    found: value === undefined ? "this kernel has no such setting" : value,
    fallback: "only root builds",
    fix: `as root: sysctl -w ${name}=${allow}`,
  });
}

/** Ubuntu 23.10 and later: a profile for the one program is enough, and leaves the setting on for all others. */
const APPARMOR_FIX = [
  "as root, for tsbuild alone: write 'abi <abi/4.0>, include <tunables/global> profile tsbuild /**/tsbuild-userns flags=(unconfined) { userns, }'",
  "to /etc/apparmor.d/tsbuild and run apparmor_parser -r /etc/apparmor.d/tsbuild;",
  "for all programs: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
].join(" ");

function userNamespaceGate({ isolation }: NamespaceFacts, report: UserNamespaceReport | undefined): Gate {
  const found = report === undefined ? "not needed: this is root" : "made";
  const chroots = isolation === "chroot";
  return gate({
    name: "user namespace",
    holds: report?.got !== "none",
    required: !chroots,
    found: report?.got === "none" ? report.reason : found,
    fallback: chroots ? `steps run in a chroot: ${CHROOT_SHARES}` : "no step runs",
    fix: "see the settings below; in a container, let the runtime allow unshare (seccomp, AppArmor)",
  });
}

function subordinateIdsGate(report: UserNamespaceReport | undefined): Gate {
  const name = "subordinate ids";
  const fallback = "files and steps of root alone: a change to another owner fails";
  if (report === undefined)
    return gate({ name, holds: true, found: "not needed: this is root", fallback, fix: "" });
  const isRoot = report.uid === 0;
  if (report.got === "none" && !isRoot)
    return gate({ name, holds: false, found: "not tried", fallback, fix: SEE_NAMESPACE });
  const holds = report.got === "range" || isRoot;
  const all = isRoot ? "all that root has here" : "all of /etc/subuid";
  return gate({ name, holds, found: holds ? all : report.reason, fallback, fix: subordinateIdsHint(report) });
}

/** Whether namespaces can be made here, by whom, and which settings of the kernel have a say in that. */
export function namespaceGates(facts: NamespaceFacts): Gate[] {
  const { env, proc } = facts;
  const report = userNamespaceReport(env);
  const appArmor = "kernel.apparmor_restrict_unprivileged_userns";
  const restriction = setting(proc, { name: appArmor, forbids: "1", allow: "0" });
  return [
    userNamespaceGate(facts, report),
    subordinateIdsGate(report),
    mapperGate(env, report),
    setting(proc, { name: "user.max_user_namespaces", forbids: "0", allow: "28633" }),
    setting(proc, { name: "kernel.unprivileged_userns_clone", forbids: "0", allow: "1" }),
    restriction.holds ? restriction : { ...restriction, fix: APPARMOR_FIX },
  ];
}
