import { cacheSharings, contentCaches, mountTypes, networkModes, securityModes } from "./encode-exec.ts";
import type {
  CdiDevice,
  ExecMeta,
  ExecOp,
  HostIp,
  Mount,
  ProxyEnv,
  SecretEnv,
  SecretOptions,
  Ulimit,
} from "./op.ts";
import { bool, bytes, enumeration, int, ints, readMessage, text, uint32 } from "./wire-reader.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function decodeProxyEnv(data: Uint8Array): ProxyEnv {
  const proxy: Mutable<ProxyEnv> = { http: "", https: "", ftp: "", no: "", all: "" };
  readMessage(data, "ProxyEnv", {
    1: text((v) => {
      proxy.http = v;
    }),
    2: text((v) => {
      proxy.https = v;
    }),
    3: text((v) => {
      proxy.ftp = v;
    }),
    4: text((v) => {
      proxy.no = v;
    }),
    5: text((v) => {
      proxy.all = v;
    }),
  });
  return proxy;
}

function decodeHost(data: Uint8Array): HostIp {
  const entry: Mutable<HostIp> = { host: "", ip: "" };
  readMessage(data, "HostIP", {
    1: text((v) => {
      entry.host = v;
    }),
    2: text((v) => {
      entry.ip = v;
    }),
  });
  return entry;
}

function decodeUlimit(data: Uint8Array): Ulimit {
  const limit: Mutable<Ulimit> = { name: "", soft: 0, hard: 0 };
  readMessage(data, "Ulimit", {
    1: text((v) => {
      limit.name = v;
    }),
    2: int((v) => {
      limit.soft = v;
    }),
    3: int((v) => {
      limit.hard = v;
    }),
  });
  return limit;
}

function decodeMeta(data: Uint8Array): ExecMeta {
  const args: string[] = [];
  const env: string[] = [];
  const extraHosts: HostIp[] = [];
  const ulimits: Ulimit[] = [];
  const validExitCodes: number[] = [];
  const meta: Mutable<ExecMeta> = {
    args,
    env,
    cwd: "",
    user: "",
    extraHosts,
    hostname: "",
    ulimits,
    cgroupParent: "",
    removeMountStubsRecursive: false,
    validExitCodes,
  };
  readMessage(data, "Meta", {
    1: text((v) => args.push(v)),
    2: text((v) => env.push(v)),
    3: text((v) => {
      meta.cwd = v;
    }),
    4: text((v) => {
      meta.user = v;
    }),
    5: bytes((v) => {
      meta.proxyEnv = decodeProxyEnv(v);
    }),
    6: bytes((v) => extraHosts.push(decodeHost(v))),
    7: text((v) => {
      meta.hostname = v;
    }),
    9: bytes((v) => ulimits.push(decodeUlimit(v))),
    10: text((v) => {
      meta.cgroupParent = v;
    }),
    11: bool((v) => {
      meta.removeMountStubsRecursive = v;
    }),
    12: ints((v) => validExitCodes.push(v)),
  });
  return meta;
}

function decodeSecret(data: Uint8Array): SecretOptions {
  const secret: Mutable<SecretOptions> = { id: "", uid: 0, gid: 0, mode: 0, optional: false };
  readMessage(data, "SecretOpt", {
    1: text((v) => {
      secret.id = v;
    }),
    2: uint32((v) => {
      secret.uid = v;
    }),
    3: uint32((v) => {
      secret.gid = v;
    }),
    4: uint32((v) => {
      secret.mode = v;
    }),
    5: bool((v) => {
      secret.optional = v;
    }),
  });
  return secret;
}

function decodeTmpfsSize(data: Uint8Array): number {
  let sizeBytes = 0;
  readMessage(data, "TmpfsOpt", {
    1: int((v) => {
      sizeBytes = v;
    }),
  });
  return sizeBytes;
}

function decodeCache(data: Uint8Array): NonNullable<Mount["cache"]> {
  const cache: Mutable<NonNullable<Mount["cache"]>> = { id: "", sharing: "shared" };
  readMessage(data, "CacheOpt", {
    1: text((v) => {
      cache.id = v;
    }),
    2: enumeration(cacheSharings, (v) => {
      cache.sharing = v;
    }),
  });
  return cache;
}

function decodeMount(data: Uint8Array): Mount {
  const mount: Mutable<Mount> = {
    input: 0,
    selector: "",
    dest: "",
    output: 0,
    readonly: false,
    type: "bind",
    contentCache: "default",
  };
  readMessage(data, "Mount", {
    1: int((v) => {
      mount.input = v;
    }),
    2: text((v) => {
      mount.selector = v;
    }),
    3: text((v) => {
      mount.dest = v;
    }),
    4: int((v) => {
      mount.output = v;
    }),
    5: bool((v) => {
      mount.readonly = v;
    }),
    6: enumeration(mountTypes, (v) => {
      mount.type = v;
    }),
    19: bytes((v) => {
      mount.tmpfsSizeBytes = decodeTmpfsSize(v);
    }),
    20: bytes((v) => {
      mount.cache = decodeCache(v);
    }),
    21: bytes((v) => {
      mount.secret = decodeSecret(v);
    }),
    22: bytes((v) => {
      mount.ssh = decodeSecret(v);
    }),
    24: enumeration(contentCaches, (v) => {
      mount.contentCache = v;
    }),
  });
  return mount;
}

function decodeSecretEnv(data: Uint8Array): SecretEnv {
  const secret: Mutable<SecretEnv> = { id: "", name: "", optional: false };
  readMessage(data, "SecretEnv", {
    1: text((v) => {
      secret.id = v;
    }),
    2: text((v) => {
      secret.name = v;
    }),
    3: bool((v) => {
      secret.optional = v;
    }),
  });
  return secret;
}

function decodeDevice(data: Uint8Array): CdiDevice {
  const device: Mutable<CdiDevice> = { name: "", optional: false };
  readMessage(data, "CDIDevice", {
    1: text((v) => {
      device.name = v;
    }),
    2: bool((v) => {
      device.optional = v;
    }),
  });
  return device;
}

/** `pb.ExecOp`. */
export function decodeExec(data: Uint8Array): ExecOp {
  const mounts: Mount[] = [];
  const secretEnv: SecretEnv[] = [];
  const devices: CdiDevice[] = [];
  let meta = new Uint8Array() as Uint8Array;
  let network: ExecOp["network"] = "default";
  let security: ExecOp["security"] = "sandbox";
  readMessage(data, "ExecOp", {
    1: bytes((v) => {
      meta = v;
    }),
    2: bytes((v) => mounts.push(decodeMount(v))),
    3: enumeration(networkModes, (v) => {
      network = v;
    }),
    4: enumeration(securityModes, (v) => {
      security = v;
    }),
    5: bytes((v) => secretEnv.push(decodeSecretEnv(v))),
    6: bytes((v) => devices.push(decodeDevice(v))),
  });
  return {
    type: "exec",
    meta: decodeMeta(meta),
    mounts,
    network,
    security,
    secretEnv,
    ...(devices.length > 0 ? { devices } : {}),
  };
}
