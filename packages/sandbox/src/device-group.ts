/**
 * A control group whose processes may open the usual devices and no other, so that a step can use nodes that it makes itself
 * (debootstrap does) as under Docker. With the devices controller of v1: one group for all steps of all builders below one group. With v2
 * each step's own group asks a program (device-filter.ts).
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { joinFile } from "./cgroup.ts";
import type { HostFacts } from "./host.ts";

/** Where the devices controller is mounted, and this process's own group in it. */
export interface DeviceHierarchy {
  readonly mountPoint: string;
  readonly path: string;
}

/** Making any node; opening null, zero, full, random, urandom, tty, ptmx and terminals (Docker's default). */
export const deviceRules: readonly string[] = [
  ...["c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm"],
  ...["c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"],
];

const REFUSED = new Set(["EACCES", "EPERM", "EROFS", "ENOENT", "EINVAL", "EBUSY"]);

/** True if these are the group's rules and no others are. Undefined: there is no such group. */
function hasRules(folder: string): boolean | undefined {
  let list: string;
  try {
    list = readFileSync(join(folder, "devices.list"), "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
  const rules = list.trim().split("\n");
  return rules.length === deviceRules.length && deviceRules.every((rule) => rules.includes(rule));
}

/** Writes the rules unless they are there already: others may be running under them. False if the kernel then says anything else. */
function restrict(folder: string): boolean {
  const restricted = hasRules(folder);
  if (restricted === true) return true;
  if (restricted === undefined) mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "devices.deny"), "a");
  for (const rule of deviceRules) writeFileSync(join(folder, "devices.allow"), rule);
  return hasRules(folder) === true;
}

/** A v2 group may be given a program: in the first user namespace alone, with these rights (bpf(2)). */
export function mayFilterDevices({ cgroups, capabilities, userNamespace }: HostFacts): boolean {
  const allowed =
    capabilities.includes("CAP_SYS_ADMIN") ||
    (capabilities.includes("CAP_BPF") && capabilities.includes("CAP_NET_ADMIN"));
  return cgroups.version === 2 && userNamespace === "none" && allowed;
}

/** Folder of the group, made or not. */
export function deviceGroupFolder({ mountPoint, path }: DeviceHierarchy): string {
  return join(mountPoint, path, "tsbuild-devices");
}

/** File through which a process joins the group; undefined when there can be none, and device nodes must stay shut instead. */
export function deviceGroup(hierarchy: DeviceHierarchy | undefined): string | undefined {
  if (hierarchy === undefined) return undefined;
  const folder = deviceGroupFolder(hierarchy);
  try {
    return restrict(folder) ? join(folder, joinFile(1)) : undefined;
  } catch (error) {
    if (REFUSED.has(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}
