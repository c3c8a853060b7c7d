import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecOp } from "@tsbuild/llb";
import {
  type ExecMount,
  type ExtraHost,
  FORWARDED_DNS,
  hostsFile,
  resolvConf,
  usesResolvedStub,
} from "@tsbuild/sandbox";
import type { OpsEnvironment } from "../environment.ts";
import { fileMount } from "./mounts.ts";
import { hostGateway, type StepNetwork } from "./network.ts";
import { DEFAULT_HOSTNAME } from "./step-spec.ts";

export interface NetworkFiles {
  readonly mounts: readonly ExecMount[];
  close(): void;
}

/** What the texts of both files are made of. */
interface TextsOf {
  readonly hostname: string;
  readonly extraHosts: readonly ExtraHost[];
  readonly network: StepNetwork["network"];
  readonly provider: StepNetwork["provider"];
  /** Text of a resolv.conf of the host. */
  readonly servers: string;
}

const shared = new WeakMap<OpsEnvironment["store"], Map<string, string>>();

/** Most steps of a build have the same files, which none can write to. */
function sharedFolder(env: OpsEnvironment, texts: TextsOf): string {
  const folders = shared.get(env.store) ?? new Map<string, string>();
  shared.set(env.store, folders);
  const { network } = texts;
  const key = JSON.stringify({ ...texts, network: network === "host" ? network : "none" });
  const folder = folders.get(key) ?? freshFolder(env, texts);
  folders.set(key, folder);
  return folder;
}

function freshFolder(env: OpsEnvironment, texts: TextsOf): string {
  const folder = env.store.temporaryFolder();
  const { hostname, extraHosts } = texts;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "hosts"), hostsFile(hostname, extraHosts), { mode: 0o644 });
  writeFileSync(join(folder, "resolv.conf"), nameServers(texts), { mode: 0o644 });
  return folder;
}

/** Generated /etc/hosts and /etc/resolv.conf, mounted over the image's own and never part of a layer (B007, B008). */
export function networkFiles(env: OpsEnvironment, op: ExecOp, network: StepNetwork): NetworkFiles {
  const texts = {
    hostname: op.meta.hostname || DEFAULT_HOSTNAME,
    extraHosts: extraHosts(op),
    network: network.network,
    provider: network.provider,
    servers: hostServers(env, network),
  };
  /* A step that may mount anew, and one in a chroot, could write to them. */
  const isSafe = env.isolation !== "chroot" && op.security !== "insecure";
  const folder = isSafe ? sharedFolder(env, texts) : freshFolder(env, texts);
  const files = [
    fileMount(env, folder, "resolv.conf", "/etc/resolv.conf"),
    fileMount(env, folder, "hosts", "/etc/hosts"),
  ];
  const close = (): void => {
    for (const file of files) file.close();
  };
  return { mounts: files.map((file) => file.mount), close };
}

function extraHosts(op: ExecOp): readonly ExtraHost[] {
  return op.meta.extraHosts.map(({ host, ip }) => ({ host, ip: ip === "host-gateway" ? hostGateway() : ip }));
}

/** With the host's network its own file; else what is behind systemd-resolved's stub, which only the host can reach. */
function hostServers(env: OpsEnvironment, { network }: StepNetwork): string {
  const text = env.resolvConf("host") ?? "";
  const isStub = network !== "host" && usesResolvedStub(text);
  return (isStub ? env.resolvConf("resolved") : undefined) ?? text;
}

function nameServers({ network, provider, servers }: TextsOf): string {
  if (network === "host") return resolvConf(servers, { network: "host" });
  return resolvConf(servers, {
    network: "none",
    forwarder: provider === undefined ? undefined : FORWARDED_DNS[provider],
  });
}
