/** OCI runtime spec → plan: the whole policy of a sandbox as one flat list. */
import { TsbuildError } from "@tsbuild/base";
import { type Capability, capabilityMask, capabilityNames } from "./capabilities.ts";
import { FdTable } from "./fd-table.ts";
import type { HostFacts } from "./host.ts";
import type { NamespaceType, RuntimeSpec } from "./oci-spec.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import { parseFdSource, planMounts } from "./plan-mounts.ts";
import type { PlanOp } from "./plan-ops.ts";
import { compileSeccomp, encodeBpf } from "./seccomp/compile.ts";
import type { LinuxSeccomp } from "./seccomp/profile.ts";

/** CLONE_NEW* of clone(2). */
const NAMESPACE_FLAGS: Readonly<Record<NamespaceType, number>> = {
  mount: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  pid: 0x20000000,
  network: 0x40000000,
  user: 0x10000000,
};

/** RLIMIT_* of getrlimit(2), asm-generic numbers (x86-64 and arm64). */
const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

const NODEV = 0x4;
const SECCOMP_WAITS = 1;
const RLIM_INFINITY = 2n ** 64n - 1n;

export interface PlanContext {
  readonly host: HostFacts;
  /** Files through which a process joins the step's own groups; none: it stays in this process's groups. */
  readonly cgroupFiles: readonly string[];
  /** Folder of the v2 group that the step starts in. */
  readonly group?: string | undefined;
  /** What that group is to say about devices; see deviceFilter. */
  readonly deviceFilter?: Uint8Array | undefined;
  /** One of these groups decides which devices open: nodes that the step makes may then be used. Default: none does. */
  readonly devicesGuarded?: boolean | undefined;
  /** What comes in on this process's standard input goes to the step's; a terminal is the spec's to ask for. Default: nothing does. */
  readonly input?: boolean | undefined;
}

function limitValue(value: number): bigint {
  return value < 0 || !Number.isFinite(value) ? RLIM_INFINITY : BigInt(value);
}

function unknownLimit(type: string): TsbuildError {
  const names = Object.keys(RLIMITS).map((name) => name.slice("RLIMIT_".length).toLowerCase());
  return new TsbuildError("TSB_USAGE", `there is no limit ${JSON.stringify(type)}`, {
    hint: `limits are ${names.join(", ")}`,
  });
}

function rlimitOp({ type, soft, hard }: RuntimeSpec["process"]["rlimits"][number]): PlanOp {
  const resource = RLIMITS[type];
  if (resource === undefined) throw unknownLimit(type);
  return { op: "rlimit", resource, soft: limitValue(soft), hard: limitValue(hard) };
}

/** The cgroup namespace shows the group that a process is in when it is made: so only after the step has joined its own. */
function namespaceOps(spec: RuntimeSpec, { cgroupFiles, group, deviceFilter }: PlanContext): PlanOp[] {
  const flags = spec.linux.namespaces
    .filter(({ path }) => path === undefined)
    .reduce((sum, { type }) => sum | NAMESPACE_FLAGS[type], 0);
  if (cgroupFiles.length === 0 && group === undefined) return [{ op: "clone", flags }];
  const filter: PlanOp[] =
    group === undefined || deviceFilter === undefined
      ? []
      : [{ op: "device_filter", group, program: deviceFilter }];
  return [
    ...filter,
    ...(group === undefined ? [] : [{ op: "into_group", group } as const]),
    { op: "clone", flags: flags & ~NAMESPACE_FLAGS.cgroup },
    ...(cgroupFiles.length === 0 ? [] : [{ op: "join_cgroups", paths: cgroupFiles } as const]),
    ...((flags & NAMESPACE_FLAGS.cgroup) === 0
      ? []
      : [{ op: "unshare", flags: NAMESPACE_FLAGS.cgroup } as const]),
  ];
}

/** A network of the step's own gets its loopback here; one that is joined has been set up by whoever made it. */
function networkOps(spec: RuntimeSpec, table: FdTable): PlanOp[] {
  const network = spec.linux.namespaces.find(({ type }) => type === "network");
  if (network === undefined) return [];
  if (network.path === undefined) return [{ op: "loopback_up" }];
  const namespace = table.index(parseFdSource(network.path).fd);
  return [{ op: "join_namespace", namespace, flags: NAMESPACE_FLAGS.network }];
}

function userNamespace({ linux }: RuntimeSpec): string | undefined {
  return linux.namespaces.find(({ type }) => type === "user")?.path;
}

/** It is joined late: all that is set up before is this namespace's to do. */
function keptNamespace(spec: RuntimeSpec, table: FdTable): PlanOp[] {
  const path = userNamespace(spec);
  if (path === undefined) return [];
  return [{ op: "keep_user_namespace", namespace: table.index(parseFdSource(path).fd) }];
}

/** Compiling takes a millisecond, and steps share their profile (see `toRuntimeSpec`). */
const programs = new WeakMap<LinuxSeccomp, Uint8Array>();

function seccompProgram(seccomp: LinuxSeccomp): Uint8Array {
  const known = programs.get(seccomp);
  if (known !== undefined) return known;
  const program = encodeBpf(compileSeccomp(seccomp));
  programs.set(seccomp, program);
  return program;
}

function seccompOp(seccomp: LinuxSeccomp): PlanOp {
  const waits = seccomp.syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY");
  return { op: "seccomp", program: seccompProgram(seccomp), flags: waits ? SECCOMP_WAITS : 0 };
}

function groupBytes(gids: readonly number[]): Uint8Array {
  const bytes = Buffer.alloc(gids.length * 4);
  for (const [i, gid] of gids.entries()) bytes.writeUInt32LE(gid, i * 4);
  return bytes;
}

const masks = new WeakMap<readonly Capability[], bigint>();

function maskOf(capabilities: readonly Capability[]): bigint {
  const mask = masks.get(capabilities) ?? capabilityMask(capabilities);
  masks.set(capabilities, mask);
  return mask;
}

/**
 * Who the command is and what it may do. The order matters: the filter needs CAP_SYS_ADMIN, as no_new_privs stays off; the
 * bounding set can only be cut while CAP_SETPCAP is there; the folder is entered while root may still enter any (runc does so). A user
 * namespace gives all capabilities in it anew, and takes that of raising limits. The profile is only noted before the filter may be in the
 * way: the exec enters it.
 */
export function identityOps(spec: RuntimeSpec, host: HostFacts): PlanOp[] {
  const capabilities = spec.process.capabilities.bounding;
  const { user, cwd, apparmorProfile } = spec.process;
  const mask = user.uid === 0 ? maskOf(capabilities) : 0n;
  const allKnown = capabilities.length === capabilityNames.length;
  return [
    ...(apparmorProfile === undefined ? [] : [{ op: "apparmor", profile: apparmorProfile } as const]),
    ...spec.process.rlimits.map(rlimitOp),
    ...(userNamespace(spec) === undefined ? [] : [{ op: "join_user_namespace" } as const]),
    ...(allKnown ? [] : [{ op: "bounding", keep: maskOf(capabilities) } as const]),
    ...(spec.linux.seccomp === undefined ? [] : [seccompOp(spec.linux.seccomp)]),
    { op: "umask", mask: user.umask },
    { op: "chdir", path: cwd },
    {
      op: "user",
      uid: user.uid,
      gid: user.gid,
      groups: groupBytes(user.additionalGids),
      flags: userFlags(host),
    },
    { op: "capabilities", effective: mask, permitted: mask, inheritable: 0 },
  ];
}

/** A namespace of one id forbids setgroups (user_namespaces(7)). */
function userFlags({ userNamespace }: HostFacts): number {
  return userNamespace === "single" ? 1 : 0;
}

export function sessionOps(stdio: SandboxPlan["stdio"]): PlanOp[] {
  const input: PlanOp[] = stdio === "log" ? [{ op: "stdin_null" }] : [];
  const session: PlanOp = { op: stdio === "terminal" ? "terminal" : "new_session" };
  return [...input, session, { op: "session_keyring", name: "_tsbuild" }];
}

/** The plan of a runtime spec. Pure but for the memory of the compiled filter. */
export function compilePlan(spec: RuntimeSpec, context: PlanContext): SandboxPlan {
  const table = new FdTable();
  const root = table.index(parseFdSource(spec.root.path).fd);
  const trees: PlanOp[] = [];
  /* An insecure step may open devices; it has no masks either, and that is how the spec tells. */
  const guarded = context.devicesGuarded === true || context.deviceFilter !== undefined;
  const confined = spec.linux.maskedPaths.length > 0 && !guarded;
  const mounts = planMounts(spec, {
    cgroups: context.host.cgroups,
    makesDevices: context.host.userNamespace === "none",
    confined,
    addTree: ({ fd, ...tree }) => trees.push({ op: "tree", source: table.index(fd), ...tree }) - 1,
  });
  const stdio = spec.process.terminal ? "terminal" : context.input === true ? "input" : "log";
  const ops: PlanOp[] = [
    ...trees,
    ...namespaceOps(spec, context),
    ...networkOps(spec, table),
    { op: "root", mount: root, attrs: confined ? NODEV : 0 },
    { op: "hostname", name: spec.hostname },
    ...mounts,
    ...keptNamespace(spec, table),
    { op: "enter_root" },
    { op: "fork" },
    ...sessionOps(stdio),
    ...identityOps(spec, context.host),
    { op: "exec", args: spec.process.args, env: spec.process.env },
  ];
  return { fds: table.fds, stdio, ops };
}
