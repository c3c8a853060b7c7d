/** What the plan has to know about the machine: read once, handed around as data, so that everything after it is pure. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { normalizeArchitecture } from "@tsbuild/base";
import { type AppArmorFacts, readAppArmor } from "./apparmor.ts";
import { type Capability, capabilitiesOf } from "./capabilities.ts";
import { hostingGroup } from "./cgroup-host.ts";
import type { DeviceHierarchy } from "./device-group.ts";
import type { SeccompMachine } from "./seccomp/profile.ts";

export interface HostFacts {
  /** Undefined: a machine that the seccomp profile has no numbers for. */
  readonly seccompMachine: SeccompMachine | undefined;
  /** Nobody filters this process's calls already: a step's filter may ask (the kernel takes one that asks, seccomp_unotify(2)). */
  readonly unfiltered?: boolean | undefined;
  /** What this process may grant: its permitted set within its bounding set. */
  readonly capabilities: readonly Capability[];
  readonly cgroups: CgroupLayout;
  /** The devices controller of v1, where there is one. */
  readonly devices?: DeviceHierarchy | undefined;
  readonly userNamespace: UserNamespace;
  /** Types that must not be mounted anew here, as the ones there are have parts hidden. Absent: all may be. */
  readonly hidden?: readonly HiddenType[] | undefined;
  /** Undefined: there is no AppArmor here, or it is off. */
  readonly apparmor?: AppArmorFacts | undefined;
}

export type HiddenType = "proc" | "sysfs";

/**
 * What user ids this process knows: `none` all, in the first namespace; `range` root and many others, of a namespace that may
 * not make devices nor mount the host's sysfs; `single` root alone, and setgroups is forbidden (user_namespaces(7)).
 */
export type UserNamespace = "none" | "range" | "single";

/** How control groups are mounted: one tree, one tree a controller (with v2 beside or not), or not at all. */
export type CgroupLayout =
  | UnifiedLayout
  | { readonly version: 1; readonly hierarchies: readonly CgroupHierarchy[] }
  | { readonly version: 0 };

export interface UnifiedLayout {
  readonly version: 2;
  readonly mountPoint: string;
  /** This process's own group: `/` at the top. */
  readonly path: string;
  /** The group below which those of steps are made, if it is another one: see `hostingGroup`. */
  readonly host?: string | undefined;
}

export interface CgroupHierarchy {
  /** Controllers that share the tree, e.g. `cpu`, `cpuacct`. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /** This process's own group in it: `/` at the top. */
  readonly path: string;
}

/** Name of the group that holds those of steps, unless `--cgroup-parent` names one. */
export const STEP_GROUPS = "tsbuild";

/** Controllers whose limits programs look up. The others are only for whoever manages groups, which a step may not. */
const VISIBLE_CONTROLLERS = new Set(["cpu", "cpuacct", "cpuset", "memory", "pids"]);

function unescapeMount(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

interface MountLine {
  readonly id: string;
  readonly parent: string;
  readonly type: string;
  /** Folder of the file system that is at the mount point: `/` for all of it. */
  readonly root: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  readonly superOptions: readonly string[];
}

/** proc_pid_mountinfo(5): `36 35 98:0 /root /mount/point options … - type source super-options`. */
function parseMountinfo(text: string): MountLine[] {
  return text.split("\n").flatMap((line) => {
    const [before, after] = line.split(" - ");
    const [id = "", parent = "", , root = "", mountPoint, options = ""] = before?.split(" ") ?? [];
    const [type, , superOptions] = after?.split(" ") ?? [];
    if (mountPoint === undefined || type === undefined) return [];
    const place = { id, parent, root, mountPoint: unescapeMount(mountPoint), options: options.split(",") };
    return [{ ...place, type, superOptions: superOptions?.split(",") ?? [] }];
  });
}

/** Folders of the kernel's that are always empty: a mount on one hides nothing. */
const EMPTY_FOLDERS = new Set([
  ...["/sys/fs/binfmt_misc", "/fs/nfsd", "/fs/cgroup", "/fs/fuse/connections", "/fs/bpf", "/fs/pstore"],
  ...["/kernel/debug", "/kernel/tracing", "/kernel/security", "/kernel/config"],
]);

/**
 * A user namespace gets a new /proc or /sys only where one is seen whole: container runtimes hide parts of theirs, and a new one
 * would show them again (mount_too_revealing in the kernel's fs/namespace.c).
 */
function hiddenTypes(mountinfo: string): HiddenType[] {
  const mounts = parseMountinfo(mountinfo);
  const isWhole = ({ id, root, mountPoint, options }: MountLine): boolean => {
    const above = mounts.filter(({ parent }) => parent === id).map((mount) => mount.mountPoint);
    const hides = above.some((path) => !EMPTY_FOLDERS.has(path.slice(mountPoint.length)));
    return root === "/" && options.includes("rw") && !hides;
  };
  return (["proc", "sysfs"] as const).filter(
    (type) => !mounts.some((mount) => mount.type === type && isWhole(mount)),
  );
}

/** proc_pid_cgroup(5): `4:memory:/group`, `0::/group` for v2. Group by its controllers, joined with commas. */
function parseOwnGroups(text: string): Map<string, string> {
  const lines = text.split("\n").map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  return new Map(lines.flatMap((match) => (match === null ? [] : [[match[1] ?? "", match[2] ?? "/"]])));
}

/** Layout from the text of /proc/self/mountinfo and /proc/self/cgroup. */
export function cgroupLayout(mountinfo: string, ownGroups: string): CgroupLayout {
  const mounts = parseMountinfo(mountinfo);
  const groups = parseOwnGroups(ownGroups);
  const hierarchies = [...groups].flatMap(([joined, path]) => {
    const controllers = joined.split(",").filter((name) => VISIBLE_CONTROLLERS.has(name));
    const mount = mounts.find(
      ({ type, superOptions }) =>
        type === "cgroup" && controllers.every((name) => superOptions.includes(name)),
    );
    return controllers.length === 0 || mount === undefined
      ? []
      : [{ controllers, mountPoint: mount.mountPoint, path }];
  });
  if (hierarchies.length > 0) return { version: 1, hierarchies };
  const unified = mounts.find(({ type }) => type === "cgroup2");
  if (unified === undefined) return { version: 0 };
  return { version: 2, mountPoint: unified.mountPoint, path: groups.get("") ?? "/" };
}

/** One folder a hierarchy, this process's own group of it or one above: where a step's groups would be made. */
export function ownGroups(layout: CgroupLayout): string[] {
  if (layout.version === 0) return [];
  if (layout.version === 2) return [join(layout.mountPoint, layout.host ?? layout.path)];
  return layout.hierarchies.map(({ mountPoint, path }) => join(mountPoint, path));
}

/** Every hierarchy's folder below which steps' groups are made unless somebody names another, also of those that limit nothing. */
export function stepGroupFolders(): string[] {
  const mounts = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8"));
  const groups = parseOwnGroups(readFileSync("/proc/self/cgroup", "utf8"));
  return [...groups].flatMap(([joined, path]) => {
    const mount = mounts.find(({ type, superOptions }) =>
      joined === ""
        ? type === "cgroup2"
        : type === "cgroup" && superOptions.includes(joined.split(",")[0] ?? ""),
    );
    if (mount === undefined) return [];
    const host = joined === "" ? hostingGroup(mount.mountPoint, path) : path;
    return [join(mount.mountPoint, host, STEP_GROUPS)];
  });
}

function deviceHierarchy(mountinfo: string, ownGroups: string): DeviceHierarchy | undefined {
  const path = parseOwnGroups(ownGroups).get("devices");
  const mount = parseMountinfo(mountinfo).find(
    ({ type, superOptions }) => type === "cgroup" && superOptions.includes("devices"),
  );
  return path === undefined || mount === undefined ? undefined : { mountPoint: mount.mountPoint, path };
}

/** From the text of /proc/self/uid_map: rows of first id inside, first id outside, count. */
export function userNamespaceOf(uidMap: string): UserNamespace {
  const rows = uidMap
    .trim()
    .split("\n")
    .map((row) => row.trim().split(/\s+/).map(Number));
  const known = rows.reduce((sum, [, , count = 0]) => sum + count, 0);
  if (known === 2 ** 32 - 1 && rows.length === 1 && rows[0]?.[0] === rows[0]?.[1]) return "none";
  return known > 1 ? "range" : "single";
}

function statusMask(status: string, field: string): bigint {
  const digits = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1];
  return digits === undefined ? 0n : BigInt(`0x${digits}`);
}

/** Facts from the text of files below /proc. */
export function hostFactsFrom(files: {
  readonly status: string;
  readonly mountinfo: string;
  readonly cgroup: string;
  readonly uidMap: string;
  readonly arch: string;
}): HostFacts {
  const machine = normalizeArchitecture(files.arch);
  const userNamespace = userNamespaceOf(files.uidMap);
  const hasSeccomp = /^Seccomp:/m.test(files.status);
  const supported = hasSeccomp && (machine === "amd64" || machine === "arm64");
  return {
    seccompMachine: supported ? machine : undefined,
    unfiltered: /^Seccomp:\s*0$/m.test(files.status),
    capabilities: capabilitiesOf(statusMask(files.status, "CapPrm") & statusMask(files.status, "CapBnd")),
    cgroups: cgroupLayout(files.mountinfo, files.cgroup),
    /* A user namespace's root may not write to it, and nodes made there open nothing. */
    devices: userNamespace === "none" ? deviceHierarchy(files.mountinfo, files.cgroup) : undefined,
    userNamespace,
    hidden: userNamespace === "none" ? [] : hiddenTypes(files.mountinfo),
  };
}

/** Facts about this machine and process. */
export function readHostFacts(): HostFacts {
  const read = (name: string): string => readFileSync(`/proc/self/${name}`, "utf8");
  const found = hostFactsFrom({
    status: read("status"),
    mountinfo: read("mountinfo"),
    cgroup: read("cgroup"),
    uidMap: read("uid_map"),
    arch: process.arch,
  });
  const apparmor = readAppArmor();
  const facts = apparmor === undefined ? found : { ...found, apparmor };
  const { cgroups } = facts;
  if (cgroups.version !== 2) return facts;
  return { ...facts, cgroups: { ...cgroups, host: hostingGroup(cgroups.mountPoint, cgroups.path) } };
}

/** Steps can be held up at their first socket. */
export function canConnectOnDemand({ seccompMachine, unfiltered }: HostFacts): boolean {
  return seccompMachine !== undefined && unfiltered === true;
}

let oneId: boolean | undefined;

/** True in a user namespace in which root is the only user. Read once: this process stays in its namespaces. */
export function knowsOneId(): boolean {
  oneId ??= userNamespaceOf(readFileSync("/proc/self/uid_map", "utf8")) === "single";
  return oneId;
}

let sharedProc: boolean | undefined;

/**
 * True where steps see the processes around the builder: their /proc is the builder's own (see `HostFacts.hidden`). Read once: this process
 * stays in its namespaces.
 */
export function sharesProc(): boolean {
  sharedProc ??= readHostFacts().hidden?.includes("proc") === true;
  return sharedProc;
}
