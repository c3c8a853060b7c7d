/**
 * A step as an OCI bundle. What the step mounts below its root is mounted before the runtime starts, by tsbuild's own program: a runtime
 * makes mount points by their names, and in a cache other steps may rename what is on the way (CVE-2024-45310, CVE-2025-52881).
 * The runtime is left with a root that holds it all, and mounts its own file systems at names that are nobody's but the step's.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TsbuildError } from "@tsbuild/base";
import type { RefusedLimit } from "./cgroup.ts";
import { isWritable } from "./cgroup-host.ts";
import { INNER_GROUP } from "./cgroup-orphans.ts";
import { type CgroupPlan, groupPath, planCgroups, unplacedLimits } from "./cgroup-plan.ts";
import { FdTable } from "./fd-table.ts";
import { type HostFacts, ownGroups } from "./host.ts";
import { isInsideMount, normalizeDest, SYSTEM_MOUNT_POINTS } from "./mount-points.ts";
import { type RuntimeResources, type RuntimeSpec, toRuntimeSpec } from "./oci-spec.ts";
import type { SandboxPlan } from "./plan-encode.ts";
import { DEV_LINKS, isFdSource, parseFdSource, planMounts } from "./plan-mounts.ts";
import type { PlanOp } from "./plan-ops.ts";
import { tellRefused } from "./refused-limits.ts";
import type { ExecIo, ExecMount, ExecSpec } from "./spec.ts";

/** What is mounted on a host path before the runtime starts: a descriptor of the plan, by its index, and a path beneath it. */
export interface Attachment {
  readonly fd: number;
  readonly path: string;
  readonly target: string;
  /** Of `RuntimeSpec.mounts`; undefined: the root, or a namespace. */
  readonly mount?: number;
}

export interface BundleParts {
  /** config.json, with paths of the bundle where descriptors were. */
  readonly spec: unknown;
  /** The first is the root. */
  readonly attachments: readonly Attachment[];
  /** What is mounted in the root. */
  readonly mounts: SandboxPlan;
}

export interface Bundle extends BundleParts {
  readonly folder: string;
  /** The group that limits the step's memory, which the runtime makes; none without such a limit. */
  readonly memoryGroups: readonly CgroupPlan[];
  /** Version 2: the folder of a group around the container's, which the runtime makes and leaves; for the caller to remove. */
  readonly outerGroup: string | undefined;
}

interface DeviceRule {
  readonly allow: boolean;
  readonly type?: "c" | "b" | "a";
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

/**
 * Rules of the devices control group, by which runtimes confine what the native sandbox confines by mounts: making nodes is allowed,
 * opening them only for those of the spec and terminals. A runtime that is told of a device does not allow it by itself.
 */
function deviceRules(spec: RuntimeSpec, confined: boolean): DeviceRule[] {
  if (!confined) return [{ allow: true, access: "rwm" }];
  return [
    { allow: false, access: "rwm" },
    { allow: true, type: "c", access: "m" },
    { allow: true, type: "b", access: "m" },
    ...spec.linux.devices.map(({ type, major, minor }) => {
      return { allow: true, type, major, minor, access: "rwm" };
    }),
    { allow: true, type: "c", major: 5, minor: 2, access: "rwm" },
    { allow: true, type: "c", major: 136, access: "rwm" },
  ];
}

/** A place that the runtime mounts at, or below which it does. */
function isSystemPlace(dest: string): boolean {
  return SYSTEM_MOUNT_POINTS.includes(dest) || isInsideMount(dest, SYSTEM_MOUNT_POINTS);
}

/** Mounts of the root itself, for the program that performs them: by the same rules as in the native sandbox. */
function planOwnMounts(spec: RuntimeSpec, table: FdTable): PlanOp[] {
  const trees: PlanOp[] = [];
  const mounts = spec.mounts.filter(({ destination }) => !isSystemPlace(normalizeDest(destination)));
  const root = { ...spec.root, readonly: false };
  const ops = planMounts(
    { ...spec, root, mounts },
    {
      cgroups: { version: 0 },
      makesDevices: false,
      confined: false,
      addTree: ({ fd, ...tree }) => trees.push({ op: "tree", source: table.index(fd), ...tree }) - 1,
    },
  );
  return [...trees, ...ops];
}

/**
 * The parts of a bundle. A terminal is the runtime's to make: in the foreground it joins the one it makes to that on its standard input
 * (a console socket is for runtimes that detach). Not `grouped`: no control group may be made, and a runtime that is told of none does
 * without, limits and device rules included.
 */
export function bundleSpec(
  spec: RuntimeSpec,
  folder: string,
  options: { readonly confined: boolean; readonly grouped: boolean },
): BundleParts {
  const table = new FdTable();
  const attachments: Attachment[] = [];
  const attach = (source: string, target: string, mount?: number): string => {
    const { fd, path } = parseFdSource(source);
    const at = join(folder, target);
    attachments.push({ fd: table.index(fd), path, target: at, ...(mount === undefined ? {} : { mount }) });
    return at;
  };
  const root = { ...spec.root, path: attach(spec.root.path, "rootfs") };
  const mounts = spec.mounts.flatMap((mount, index) => {
    if (!isSystemPlace(normalizeDest(mount.destination))) return [];
    /* The host's /sys (see oci-spec.ts) is taken by its name. */
    if (mount.type !== "bind" || !isFdSource(mount.source)) return [mount];
    return [{ ...mount, source: attach(mount.source, `mount-${index}`, index) }];
  });
  const namespaces = spec.linux.namespaces.map(({ path, ...namespace }) => {
    return path === undefined ? namespace : { ...namespace, path: attach(path, namespace.type) };
  });
  const ops = planOwnMounts(spec, table);
  const resources = { ...spec.linux.resources, devices: deviceRules(spec, options.confined) };
  const { cgroupsPath, resources: _limits, ...rest } = spec.linux;
  const linux = { ...rest, namespaces, ...(options.grouped ? { cgroupsPath, resources } : {}) };
  return {
    spec: { ...spec, root, mounts, linux },
    attachments,
    mounts: { fds: table.fds, stdio: "log", ops },
  };
}

/** What of /dev the runtime makes itself, or takes for what it made: its masks are binds of /dev/null (CVE-2025-31133). */
function runtimeDevices({ linux }: RuntimeSpec): string[] {
  const links = DEV_LINKS.map(([path]) => path);
  return [...linux.devices.map(({ path }) => path), ...links, "/dev/pts", "/dev/console", "/proc"];
}

/**
 * A runtime mounts its own file systems first, so what goes below them is left to it. It looks up names there, too: so each of these
 * places is one that only the runtime writes to.
 */
export function checkSystemMounts(spec: RuntimeSpec, mounts: readonly ExecMount[]): void {
  const taken = runtimeDevices(spec);
  const above: string[] = [];
  for (const { dest } of mounts) {
    const place = normalizeDest(dest);
    if (!isSystemPlace(place)) continue;
    const own = SYSTEM_MOUNT_POINTS.includes(place) || taken.includes(place) || isInsideMount(place, taken);
    if (own || isInsideMount(place, above)) throw takenPlace(dest);
    above.push(place);
  }
}

function takenPlace(dest: string): TsbuildError {
  const message = `an OCI runtime cannot mount anything at ${JSON.stringify(dest)} safely: it uses that place itself`;
  return new TsbuildError("TSB_SANDBOX", message, {
    hint: "choose another target for the mount, or leave --oci-runtime out",
  });
}

export function writeBundle(folder: string, step: ExecSpec, host: HostFacts, io: ExecIo): Bundle {
  const runtime = withOwnPath(toRuntimeSpec(step, host), host);
  checkSystemMounts(runtime, step.mounts);
  const { resources } = runtime.linux;
  const grouped = host.userNamespace === "none" || mayMakeGroups(host);
  if (!grouped) tellRefused(io, { resources, unplaced: [], refused: notDelegated(host, resources) });
  const inner = withInnerGroup(runtime, host);
  const parts = bundleSpec(inner, folder, { confined: step.security === "sandbox", grouped });
  const system = runtime.mounts.length - step.mounts.length;
  for (const [index, { target, mount }] of parts.attachments.entries()) {
    const own = mount === undefined ? undefined : step.mounts[mount - system];
    /* A namespace is a file. */
    if (index === 0 || (own?.type === "bind" && own.kind === "folder")) mkdirSync(target);
    else writeFileSync(target, "");
  }
  mkdirSync(join(folder, "aside"));
  writeFileSync(join(folder, "config.json"), JSON.stringify(parts.spec));
  return {
    ...parts,
    folder,
    memoryGroups: grouped ? memoryGroups(runtime, host) : [],
    outerGroup: grouped ? outerGroup(runtime, host) : undefined,
  };
}

function mayMakeGroups({ cgroups }: HostFacts): boolean {
  return ownGroups(cgroups).every(isWritable);
}

/** Absolute for version 2, where each runtime counts from a group of its own choice: what it has made is looked at afterwards. */
function withOwnPath(runtime: RuntimeSpec, { cgroups }: HostFacts): RuntimeSpec {
  if (cgroups.version !== 2) return runtime;
  const cgroupsPath = groupPath(cgroups.host ?? cgroups.path, runtime.linux.cgroupsPath);
  return { ...runtime, linux: { ...runtime.linux, cgroupsPath } };
}

/**
 * What happens in a group of version 2 is counted in those around it, too. The container's goes with it (crun cannot keep it), the one around
 * it stays until it was asked what the kernel killed.
 */
function withInnerGroup(runtime: RuntimeSpec, { cgroups }: HostFacts): RuntimeSpec {
  if (cgroups.version !== 2) return runtime;
  return {
    ...runtime,
    linux: { ...runtime.linux, cgroupsPath: join(runtime.linux.cgroupsPath, INNER_GROUP) },
  };
}

function outerGroup({ linux }: RuntimeSpec, { cgroups }: HostFacts): string | undefined {
  return cgroups.version === 2 ? join(cgroups.mountPoint, linux.cgroupsPath) : undefined;
}

function notDelegated({ cgroups }: HostFacts, resources: RuntimeResources): RefusedLimit[] {
  const [path = ""] = ownGroups(cgroups);
  const reason = "this user may not write to all control groups that it is in, as";
  return unplacedLimits({ version: 0 }, resources).map((limit) => ({ limit, reason, path }));
}

function memoryGroups({ linux: { resources, cgroupsPath } }: RuntimeSpec, host: HostFacts): CgroupPlan[] {
  const { memory } = resources;
  if (memory === undefined) return [];
  return planCgroups(host.cgroups, cgroupsPath, { resources: { memory }, always: false });
}
