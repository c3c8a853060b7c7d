/** The part of a plan that builds the file system view: OCI mounts, devices, masked and read-only paths → operations. */
import type { CgroupLayout } from "./host.ts";
import { isInsideMount, normalizeDest } from "./mount-points.ts";
import type { RuntimeDevice, RuntimeMount, RuntimeSpec } from "./oci-spec.ts";
import { shareOps } from "./plan-encode.ts";
import type { PlanOp } from "./plan-ops.ts";

/** MOUNT_ATTR_* of mount_setattr(2), by the name of the mount option. */
const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  noatime: 0x10,
  strictatime: 0x20,
};
const RDONLY = 0x1;
const NOSUID = 0x2;
const NODEV = 0x4;
const NOEXEC = 0x8;

/** Options of the OCI spec that say nothing to a single mount call. */
const NEUTRAL = new Set(["rw", "bind", "rbind", "relatime", "rprivate", "private"]);

const TREE_RECURSIVE = 1;
const BIND_MAKE_MOUNT_POINT = 1;
const PIN_OPTIONAL = 1;
const HOST_TREE_MAKE_MOUNT_POINT = 2;
const HOST_TREE_OPTIONAL = 4;
const KIND_FOLDER = 0;
const S_IFCHR = 0o020000;

/** Where a bind mount's content comes from: cloned before the namespaces exist. */
export interface TreeSource {
  readonly fd: number;
  readonly path: string;
  readonly attrs: number;
  readonly flags: number;
}

export interface MountContext {
  readonly cgroups: CgroupLayout;
  /** Device nodes made inside do not open anything. */
  readonly confined: boolean;
  /** False in a user namespace: mknod is refused, and the host's nodes are mounted. */
  readonly makesDevices: boolean;
  /** Notes a source and returns its number. */
  readonly addTree: (source: TreeSource) => number;
}

interface ParsedOptions {
  readonly attrs: number;
  /** `key=value` and flags for the file system itself. */
  readonly data: readonly string[];
}

function parseOptions(options: readonly string[]): ParsedOptions {
  const attrs = options.reduce((sum, option) => sum | (ATTRIBUTES[option] ?? 0), 0);
  return {
    attrs,
    data: options.filter((option) => !NEUTRAL.has(option) && !Object.hasOwn(ATTRIBUTES, option)),
  };
}

export function isFdSource(source: string): boolean {
  return source.startsWith("/proc/self/fd/");
}

/** Descriptor and path beneath it of an OCI source, `/proc/self/fd/N/sub/path`. */
export function parseFdSource(source: string): { fd: number; path: string } {
  const match = /^\/proc\/self\/fd\/(\d+)(?:\/(.*))?$/s.exec(source);
  if (match === null) throw new TypeError(`not a descriptor: ${JSON.stringify(source)}`);
  return { fd: Number(match[1]), path: match[2] ?? "" };
}

function mountOp(mount: RuntimeMount, dest: string, guard: number): PlanOp {
  const { attrs, data } = parseOptions(mount.options);
  const options = [`source=${mount.source}`, ...data];
  return { op: "mount", type: mount.type, options, dest, attrs: attrs | guard };
}

/** What keeps nodes in a mount of the step's own shut where no control group does. /dev has it put on once its nodes are there. */
function guardOf({ confined }: MountContext, dest: string): number {
  return confined && dest !== "/dev" ? NODEV : 0;
}

function bindOp(mount: RuntimeMount, dest: string, nested: boolean, context: MountContext): PlanOp {
  const { attrs } = parseOptions(mount.options);
  const flags = mount.options.includes("rbind") ? TREE_RECURSIVE : 0;
  /* The only paths of the host that a spec may name (see oci-spec.ts). */
  if (mount.source === "/sys" || mount.source === "/proc")
    return { op: "host_tree", source: mount.source, dest, attrs, flags };
  const source = parseFdSource(mount.source);
  const tree = context.addTree({ ...source, attrs: attrs | guardOf(context, dest), flags });
  return { op: "bind", tree, dest, flags: nested ? BIND_MAKE_MOUNT_POINT : 0 };
}

function deviceNodes(devices: readonly RuntimeDevice[]): PlanOp[] {
  const folders = new Set(devices.map(({ path }) => path.slice(0, path.lastIndexOf("/"))));
  folders.delete("/dev");
  return [
    ...[...folders].map((path) => ({ op: "mkdir", path, mode: 0o755 }) as const),
    ...devices.map(({ path, major, minor, fileMode }) => {
      return { op: "mknod", path, mode: S_IFCHR | fileMode, major, minor } as const;
    }),
  ];
}

/**
 * The kernel lets nobody but the first namespace's root make a device; mounting the host's own is allowed. What an insecure step
 * gets besides, the host may not have.
 */
function hostDevices(devices: readonly RuntimeDevice[], attrs: number): PlanOp[] {
  const optional = attrs === 0 ? HOST_TREE_OPTIONAL : 0;
  return devices.map(({ path }) => {
    return {
      op: "host_tree",
      source: path,
      dest: path,
      attrs,
      flags: HOST_TREE_MAKE_MOUNT_POINT | optional,
    } as const;
  });
}

/** Links that programs expect in /dev (runtime-spec, config-linux.md "default devices" and runtime-linux.md "dev symlinks"). */
export const DEV_LINKS: readonly (readonly [string, string])[] = [
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/core", "/proc/kcore"],
  ["/dev/ptmx", "pts/ptmx"],
];

/**
 * What goes into the fresh /dev. A step may make device nodes (CAP_MKNOD), so nothing outside of a control group would keep it
 * from opening the host's disks: every mount is `nodev`, /dev too, and only the standard nodes are each mounted without it.
 */
function devContents(spec: RuntimeSpec, { confined, makesDevices }: MountContext): PlanOp[] {
  const { devices } = spec.linux;
  const attrs = confined ? NOSUID | NOEXEC : 0;
  const pins = makesDevices ? devices.map(({ path }) => ({ op: "pin", path, attrs, flags: 0 }) as const) : [];
  return [
    ...(makesDevices ? deviceNodes(devices) : hostDevices(devices, attrs)),
    ...DEV_LINKS.map(([path, target]) => ({ op: "symlink", target, path }) as const),
    ...(confined ? [...pins, { op: "mount_attr", path: "/dev", attrs: NODEV } as const] : []),
  ];
}

/** One tree per controller below a small tmpfs, as systemd lays them out; joint controllers get links. */
function cgroupV1(layout: Extract<CgroupLayout, { version: 1 }>, dest: string, attrs: number): PlanOp[] {
  const ops: PlanOp[] = [
    { op: "mount", type: "tmpfs", options: ["source=cgroup", "mode=755"], dest, attrs: attrs & ~RDONLY },
  ];
  for (const { controllers } of layout.hierarchies) {
    const folder = `${dest}/${controllers.join(",")}`;
    ops.push({ op: "mkdir", path: folder, mode: 0o755 });
    ops.push({
      op: "mount",
      type: "cgroup",
      options: ["source=cgroup", ...controllers],
      dest: folder,
      attrs,
    });
    if (controllers.length < 2) continue;
    for (const name of controllers) {
      ops.push({ op: "symlink", target: controllers.join(","), path: `${dest}/${name}` });
    }
  }
  return attrs & RDONLY ? [...ops, { op: "mount_attr", path: dest, attrs: RDONLY }] : ops;
}

function cgroupOps(layout: CgroupLayout, mount: RuntimeMount): PlanOp[] {
  const { attrs } = parseOptions(mount.options);
  const dest = mount.destination;
  if (layout.version === 1) return cgroupV1(layout, dest, attrs);
  if (layout.version === 2)
    return [{ op: "mount", type: "cgroup2", options: ["source=cgroup"], dest, attrs }];
  return [];
}

function oneMount(mount: RuntimeMount, mounted: readonly string[], context: MountContext): PlanOp[] {
  if (mount.type === "cgroup") return cgroupOps(context.cgroups, mount);
  const dest = normalizeDest(mount.destination);
  const nested = isInsideMount(dest, mounted);
  if (mount.type === "bind") return [bindOp(mount, dest, nested, context)];
  const point: PlanOp[] = nested ? [{ op: "mount_point", path: dest, kind: KIND_FOLDER }] : [];
  return [...point, mountOp(mount, dest, mount.type === "tmpfs" ? guardOf(context, dest) : 0)];
}

/** Where the kernel's own file systems are all there: each destination's first mount is the system's. */
function lastSystemMount(mounts: readonly RuntimeMount[]): number {
  return Math.max(
    ...["/proc", "/dev", "/sys"].map((dest) => mounts.findIndex(({ destination }) => destination === dest)),
  );
}

/** Masked and read-only paths. */
function hidden({ linux }: RuntimeSpec): PlanOp[] {
  return [
    ...linux.maskedPaths.map((path) => ({ op: "mask", path }) as const),
    ...linux.readonlyPaths.map((path) => {
      return { op: "pin", path, attrs: RDONLY | NOSUID | NODEV | NOEXEC, flags: PIN_OPTIONAL } as const;
    }),
  ];
}

/**
 * The folder to start in, where a mount hides the one that the root has: runtimes make it in the mount (a cache on /src with WORKDIR
 * /src/build). Nothing is made in the root itself, whose folder the caller has made (B013).
 */
function workingFolder(cwd: string, mounted: readonly string[]): PlanOp[] {
  const path = normalizeDest(cwd);
  return isInsideMount(path, mounted) ? [{ op: "mount_point", path, kind: KIND_FOLDER }] : [];
}

/** The operations of one mount and of what comes right after it. */
function mountOps(spec: RuntimeSpec, mount: RuntimeMount, at: MountPlace): PlanOp[] {
  const { process } = spec;
  return [
    ...oneMount(mount, at.mounted, at.context),
    ...(mount.destination === "/dev" && mount.type === "tmpfs" ? devContents(spec, at.context) : []),
    /* Before any mount of the step's own can lie over /dev. */
    ...(mount.type === "devpts" && process.terminal
      ? [{ op: "console", uid: process.user.uid } as const]
      : []),
  ];
}

interface MountPlace {
  readonly context: MountContext;
  /** What is mounted by then. */
  readonly mounted: readonly string[];
}

/** How many of the mounts, from the first on, are the system's. That of the groups is the last of them. */
function systemCount(mounts: readonly RuntimeMount[]): number {
  const count = lastSystemMount(mounts) + 1;
  return count > 0 && mounts[count]?.type === "cgroup" ? count + 1 : count;
}

/** By all that they are made of. */
const systemOps = new Map<string, readonly PlanOp[]>();

/** Descriptors are a step's own. */
function noTree(): never {
  throw new Error("assertion failed: a mount of the system's has a descriptor as its source");
}

/**
 * What all steps have alike: the system's mounts, /dev with what is in it, and what is hidden of them. A hundred operations, most of a plan, which took
 * a millisecond to put together and to encode for each step.
 */
function systemPart(
  spec: RuntimeSpec,
  mounts: readonly RuntimeMount[],
  context: MountContext,
): readonly PlanOp[] {
  const { process, linux } = spec;
  const { cgroups, confined, makesDevices } = context;
  const look = [mounts, linux.devices, linux.maskedPaths, linux.readonlyPaths, cgroups];
  const key = JSON.stringify([...look, confined, makesDevices, process.terminal && process.user.uid]);
  const known = systemOps.get(key);
  if (known !== undefined || mounts.length === 0) return known ?? [];
  const last = lastSystemMount(mounts);
  const made = mounts.flatMap((mount, i) => [
    ...mountOps(spec, mount, {
      context: { ...context, addTree: noTree },
      mounted: mounts.slice(0, i).map(mountedAt),
    }),
    ...(i === last ? hidden(spec) : []),
  ]);
  const ops = shareOps(made);
  systemOps.set(key, ops);
  return ops;
}

function mountedAt({ destination }: RuntimeMount): string {
  return normalizeDest(destination);
}

/**
 * Operations for all mounts of a spec, in its order. What is hidden of /proc and /sys is hidden before the step's own mounts are made:
 * one that replaces /dev/null or /proc must have no say in what is laid over them.
 */
export function planMounts(spec: RuntimeSpec, context: MountContext): PlanOp[] {
  const system = systemCount(spec.mounts);
  const ops: PlanOp[] = [...systemPart(spec, spec.mounts.slice(0, system), context)];
  const mounted = spec.mounts.slice(0, system).map(mountedAt);
  for (const mount of spec.mounts.slice(system)) {
    ops.push(...mountOps(spec, mount, { context, mounted }));
    mounted.push(mountedAt(mount));
  }
  return [
    ...ops,
    ...workingFolder(spec.process.cwd, mounted),
    ...(spec.root.readonly ? [{ op: "mount_attr", path: "/", attrs: RDONLY } as const] : []),
  ];
}
