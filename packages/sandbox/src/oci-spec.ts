/**
 * ExecSpec → OCI runtime spec: the config.json that runc and crun take (runtime-spec, config.md and config-linux.md). Sources
 * of mounts are descriptors, written `/proc/self/fd/N/sub/path`.
 */
import { profileOf } from "./apparmor.ts";
import { type Capability, defaultCapabilities } from "./capabilities.ts";
import { type HostFacts, STEP_GROUPS } from "./host.ts";
import {
  defaultSeccomp,
  type LinuxSeccomp,
  type SeccompMachine,
  waitingForNetwork,
} from "./seccomp/profile.ts";
import type { ExecMount, ExecSpec } from "./spec.ts";

export interface RuntimeSpec {
  readonly ociVersion: string;
  readonly process: {
    readonly terminal: boolean;
    readonly user: {
      readonly uid: number;
      readonly gid: number;
      readonly umask: number;
      readonly additionalGids: readonly number[];
    };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: {
      readonly bounding: readonly Capability[];
      readonly effective: readonly Capability[];
      readonly permitted: readonly Capability[];
    };
    readonly rlimits: readonly { readonly type: string; readonly soft: number; readonly hard: number }[];
    readonly noNewPrivileges: boolean;
    readonly apparmorProfile?: string;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly RuntimeMount[];
  readonly linux: {
    /** A `path` names one that is joined; the others are made. */
    readonly namespaces: readonly RuntimeNamespace[];
    readonly devices: readonly RuntimeDevice[];
    readonly cgroupsPath: string;
    readonly resources: RuntimeResources;
    readonly seccomp?: LinuxSeccomp;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

export interface RuntimeNamespace {
  readonly type: NamespaceType;
  readonly path?: string;
}

export type NamespaceType = "mount" | "pid" | "ipc" | "uts" | "cgroup" | "network" | "user";

export interface RuntimeMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

export interface RuntimeDevice {
  readonly path: string;
  readonly type: "c";
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
}

export interface RuntimeCpu {
  readonly shares?: number;
  readonly quota?: number;
  readonly period?: number;
  readonly cpus?: string;
  readonly mems?: string;
}

export interface RuntimeResources {
  readonly memory?: { readonly limit: number; readonly swap: number };
  readonly cpu?: RuntimeCpu;
  readonly pids?: { readonly limit: number };
}

/** Paths that show or steer the host (B005). Those that a kernel lacks are skipped. */
const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const DEVICES: readonly RuntimeDevice[] = [
  ["/dev/null", 1, 3],
  ["/dev/zero", 1, 5],
  ["/dev/full", 1, 7],
  ["/dev/random", 1, 8],
  ["/dev/urandom", 1, 9],
  ["/dev/tty", 5, 0],
].map(([path, major, minor]) => ({ path, type: "c", major, minor, fileMode: 0o666 }) as RuntimeDevice);

/** Devices of the host that an insecure step may open besides (B019). */
const INSECURE_DEVICES: readonly RuntimeDevice[] = [
  ["/dev/fuse", 10, 229],
  ["/dev/kvm", 10, 232],
  ["/dev/net/tun", 10, 200],
  ["/dev/loop-control", 10, 237],
].map(([path, major, minor]) => ({ path, type: "c", major, minor, fileMode: 0o666 }) as RuntimeDevice);

const DEV_SIZE_BYTES = 64 * 1024 * 1024;
const UMASK = 0o022;

/**
 * A user namespace may mount sysfs only for a network namespace of its own (sysfs(5) shows that network's devices): with the
 * host's network it gets the host's tree, as runc and crun do it for rootless containers.
 */
function sysMount(spec: ExecSpec, host: HostFacts, options: readonly string[]): RuntimeMount {
  const refused = host.hidden?.includes("sysfs") === true;
  return host.userNamespace !== "none" && (refused || spec.network === "host")
    ? { destination: "/sys", type: "bind", source: "/sys", options: ["rbind", ...options] }
    : { destination: "/sys", type: "sysfs", source: "sysfs", options };
}

/**
 * The builder's own where a new one is refused: with what is hidden there, and the processes around it under their numbers there. Read-only,
 * as those have files that ask for no more than the right owner: a step would make the builder the first that the kernel kills for want of memory.
 */
function procMount(host: HostFacts, options: readonly string[]): RuntimeMount {
  return host.hidden?.includes("proc") === true
    ? { destination: "/proc", type: "bind", source: "/proc", options: ["rbind", ...options, "ro"] }
    : { destination: "/proc", type: "proc", source: "proc", options };
}

function systemMounts(spec: ExecSpec, host: HostFacts): RuntimeMount[] {
  const access = spec.security === "insecure" ? "rw" : "ro";
  const hard = ["nosuid", "noexec", "nodev"];
  return [
    procMount(host, hard),
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", `size=${DEV_SIZE_BYTES / 1024}k`],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: [
        ...["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        /* The group tty, which a namespace of one id does not know. */
        ...(host.userNamespace === "single" ? [] : ["gid=5"]),
      ],
    },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...hard, "mode=1777", `size=${spec.shmSizeBytes}`],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: hard },
    sysMount(spec, host, [...hard, access]),
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...hard, access] },
  ];
}

function bindSource(fd: number, sourcePath: string): string {
  const path = sourcePath.replace(/^\/+/, "");
  return path === "" ? `/proc/self/fd/${fd}` : `/proc/self/fd/${fd}/${path}`;
}

function userMount(mount: ExecMount): RuntimeMount {
  if (mount.type === "bind") {
    const options = ["rbind", ...(mount.readonly ? ["ro"] : [])];
    return {
      destination: mount.dest,
      type: "bind",
      source: bindSource(mount.fd, mount.sourcePath),
      options,
    };
  }
  const size = mount.sizeBytes === undefined ? [] : [`size=${mount.sizeBytes}`];
  const options = ["nosuid", `mode=${mount.mode.toString(8)}`, ...size];
  return { destination: mount.dest, type: "tmpfs", source: "tmpfs", options };
}

function namespacesOf({ network, userNamespace }: ExecSpec): RuntimeNamespace[] {
  const types: NamespaceType[] = ["mount", "pid", "ipc", "uts", "cgroup"];
  const own: RuntimeNamespace[] = types.map((type) => ({ type }));
  if (userNamespace !== undefined) own.push({ type: "user", path: bindSource(userNamespace, "") });
  if (network === "host") return own;
  if (network === "none" || network === "on-demand") return [...own, { type: "network" }];
  return [...own, { type: "network", path: bindSource(network.fd, "") }];
}

/** A period without a quota limits nothing, and is left out like everything that was not asked for. */
function cpuOf({
  cpuShares,
  cpuQuotaUs,
  cpuPeriodUs,
  cpusetCpus,
  cpusetMems,
}: ExecSpec["cgroup"]): RuntimeCpu {
  return {
    ...(cpuShares === undefined ? {} : { shares: cpuShares }),
    ...(cpuQuotaUs === undefined ? {} : { quota: cpuQuotaUs, period: cpuPeriodUs ?? 100_000 }),
    ...(cpusetCpus === undefined ? {} : { cpus: cpusetCpus }),
    ...(cpusetMems === undefined ? {} : { mems: cpusetMems }),
  };
}

function resourcesOf(cgroup: ExecSpec["cgroup"]): RuntimeResources {
  const { memoryBytes, memorySwapBytes = memoryBytes, pids } = cgroup;
  const cpu = cpuOf(cgroup);
  return {
    /* No swap beyond the limit, or a step that leaks memory takes the machine's swap before it is stopped. */
    ...(memoryBytes === undefined
      ? {}
      : { memory: { limit: memoryBytes, swap: memorySwapBytes ?? memoryBytes } }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}

function rlimitType(name: string): string {
  return name.startsWith("RLIMIT_") ? name : `RLIMIT_${name.toUpperCase()}`;
}

function processOf(
  spec: ExecSpec,
  capabilities: readonly Capability[],
  host: HostFacts,
): RuntimeSpec["process"] {
  const apparmorProfile = profileOf(spec, host);
  return {
    terminal: spec.stdio === "terminal",
    user: { ...spec.user, umask: UMASK },
    args: spec.args,
    env: spec.env,
    cwd: spec.cwd,
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    rlimits: spec.rlimits.map(({ name, soft, hard }) => ({ type: rlimitType(name), soft, hard })),
    noNewPrivileges: false,
    ...(apparmorProfile === undefined ? {} : { apparmorProfile }),
  };
}

/** Nearly all steps have the same, and it is as long as all else of a spec: so they share one. By what a step may do, and whether it waits. */
const filters = new WeakMap<readonly Capability[], Map<string, LinuxSeccomp>>();

function filterOf(
  { network }: ExecSpec,
  machine: SeccompMachine,
  capabilities: readonly Capability[],
): LinuxSeccomp {
  const waits = network === "on-demand";
  const key = `${machine} ${waits}`;
  const own = filters.get(capabilities) ?? new Map<string, LinuxSeccomp>();
  filters.set(capabilities, own);
  const known = own.get(key);
  if (known !== undefined) return known;
  const profile = defaultSeccomp(machine, capabilities);
  const filter = waits ? waitingForNetwork(profile) : profile;
  own.set(key, filter);
  return filter;
}

const granted = new WeakMap<readonly Capability[], Map<boolean, readonly Capability[]>>();

/** Of what is wanted, that which this process may grant; the same list for all steps of a kind. */
function capabilitiesFor(insecure: boolean, host: HostFacts): readonly Capability[] {
  const lists = granted.get(host.capabilities) ?? new Map<boolean, readonly Capability[]>();
  granted.set(host.capabilities, lists);
  const wanted = insecure ? host.capabilities : defaultCapabilities;
  const list = lists.get(insecure) ?? wanted.filter((name) => host.capabilities.includes(name));
  lists.set(insecure, list);
  return list;
}

/** The OCI runtime spec of a step. Pure but for the memory of filters; `host` says what the machine can do. */
export function toRuntimeSpec(spec: ExecSpec, host: HostFacts): RuntimeSpec {
  const insecure = spec.security === "insecure";
  const capabilities = capabilitiesFor(insecure, host);
  const filtered = !insecure && host.seccompMachine !== undefined;
  return {
    ociVersion: "1.1.0",
    process: processOf(spec, capabilities, host),
    root: { path: bindSource(spec.rootFd, ""), readonly: spec.readonlyRoot },
    hostname: spec.hostname,
    mounts: [...systemMounts(spec, host), ...spec.mounts.map(userMount)],
    linux: {
      namespaces: namespacesOf(spec),
      devices: insecure ? [...DEVICES, ...INSECURE_DEVICES] : DEVICES,
      cgroupsPath: `${spec.cgroup.parent === "" ? STEP_GROUPS : spec.cgroup.parent}/${spec.id}`,
      resources: resourcesOf(spec.cgroup),
      ...(filtered && host.seccompMachine !== undefined
        ? { seccomp: filterOf(spec, host.seccompMachine, capabilities) }
        : {}),
      maskedPaths: insecure ? [] : MASKED_PATHS,
      readonlyPaths: insecure ? [] : READONLY_PATHS,
    },
  };
}
