import type { Platform } from "@tsbuild/base";
import type { CdiDevice, ExecMeta, ExecOp, HostIp, Mount, ProxyEnv, SecretEnv, Ulimit } from "../op.ts";
import type { Annotations, InputTable, OutputSource } from "./planned-vertex.ts";

/** A mount of a filesystem, a cache or memory. */
export interface RunMount {
  readonly dest: string;
  readonly type: "bind" | "cache" | "tmpfs";
  /** What is mounted; absent: an empty filesystem. */
  readonly from?: OutputSource | undefined;
  /** Path within `from`. */
  readonly selector?: string | undefined;
  readonly readonly?: boolean | undefined;
  /** Writes to a bind mount become an output (`ExecResult.mount`). Default: they are lost. */
  readonly keep?: boolean | undefined;
  readonly sizeBytes?: number | undefined;
  readonly cache?: { readonly id: string; readonly sharing: "shared" | "private" | "locked" } | undefined;
  readonly contentCache?: "default" | "on" | "off" | undefined;
}

/** A secret or an agent socket; mounted after all others, in the order given. */
export interface RunSecret {
  readonly id: string;
  readonly dest: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Permission bits. */
  readonly mode: number;
  readonly optional?: boolean | undefined;
}

export interface RunOptions {
  readonly args: readonly string[];
  /** `K=V` in order. */
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
  readonly hostname?: string | undefined;
  readonly mounts?: readonly RunMount[] | undefined;
  readonly secrets?: readonly RunSecret[] | undefined;
  readonly ssh?: readonly RunSecret[] | undefined;
  readonly secretEnv?: readonly SecretEnv[] | undefined;
  readonly devices?: readonly CdiDevice[] | undefined;
  readonly network?: ExecOp["network"] | undefined;
  readonly security?: ExecOp["security"] | undefined;
  readonly proxyEnv?: ProxyEnv | undefined;
  readonly extraHosts?: readonly HostIp[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  readonly cgroupParent?: string | undefined;
  readonly validExitCodes?: readonly number[] | undefined;
  /** The root filesystem cannot be written. */
  readonly readonlyRoot?: boolean | undefined;
  /** Default: the platform of the state. */
  readonly platform?: Platform | undefined;
  readonly annotations?: Annotations | undefined;
}

/** The root and the other mounts by destination: the order in which they are mounted, parents first. */
export function sortedMounts(root: OutputSource, options: RunOptions): RunMount[] {
  const rootMount: RunMount = {
    dest: "/",
    type: "bind",
    from: root,
    keep: !options.readonlyRoot,
    readonly: options.readonlyRoot,
  };
  const all = [rootMount, ...(options.mounts ?? [])];
  return all.sort((a, b) => Buffer.compare(Buffer.from(a.dest), Buffer.from(b.dest)));
}

function isKept(mount: RunMount): boolean {
  return mount.type === "bind" && !mount.readonly && mount.keep === true;
}

/** Number of the output that holds what is left at `dest`; -1 when nothing is kept. */
export function outputOf(mounts: readonly RunMount[], dest: string): number {
  const kept = mounts.filter(isKept);
  return kept.findIndex((mount) => mount.dest === dest);
}

function describeMount(mount: RunMount, output: number, table: InputTable): Mount {
  return {
    input: mount.from === undefined ? -1 : table.add(mount.from),
    selector: mount.selector ?? "",
    dest: mount.dest,
    output,
    readonly: mount.readonly ?? false,
    type: mount.type,
    ...(mount.type === "tmpfs" ? { tmpfsSizeBytes: mount.sizeBytes ?? 0 } : {}),
    ...(mount.cache === undefined ? {} : { cache: mount.cache }),
    contentCache: mount.contentCache ?? "default",
  };
}

function describeSecret(secret: RunSecret, type: "secret" | "ssh"): Mount {
  const { id, mode } = secret;
  const options = {
    id,
    uid: secret.uid ?? 0,
    gid: secret.gid ?? 0,
    mode,
    optional: secret.optional ?? false,
  };
  return {
    input: -1,
    selector: "",
    dest: secret.dest,
    // A zero, not -1: BuildKit's client leaves this field out for secrets, and digests follow it.
    output: 0,
    readonly: false,
    type,
    [type]: options,
    contentCache: "default",
  };
}

function describeMeta(options: RunOptions): ExecMeta {
  return {
    args: options.args,
    env: options.env ?? [],
    cwd: options.cwd ?? "/",
    user: options.user ?? "",
    ...(options.proxyEnv ? { proxyEnv: options.proxyEnv } : {}),
    extraHosts: options.extraHosts ?? [],
    hostname: options.hostname ?? "",
    ulimits: options.ulimits ?? [],
    cgroupParent: options.cgroupParent ?? "",
    removeMountStubsRecursive: true,
    validExitCodes: options.validExitCodes ?? [],
  };
}

/** The op of a command on the sorted `mounts`. */
export function describeExec(mounts: readonly RunMount[], options: RunOptions, table: InputTable): ExecOp {
  let outputs = 0;
  const described = mounts.map((mount) => describeMount(mount, isKept(mount) ? outputs++ : -1, table));
  for (const secret of options.secrets ?? []) described.push(describeSecret(secret, "secret"));
  for (const socket of options.ssh ?? []) described.push(describeSecret(socket, "ssh"));
  return {
    type: "exec",
    meta: describeMeta(options),
    mounts: described,
    network: options.network ?? "default",
    security: options.security ?? "sandbox",
    secretEnv: options.secretEnv ?? [],
    ...(options.devices?.length ? { devices: options.devices } : {}),
  };
}
