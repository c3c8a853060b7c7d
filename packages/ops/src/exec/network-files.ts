import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecOp } from "@tsbuild/llb";
import { type ExecMount, FORWARDED_DNS, hostsFile, resolvConf, usesResolvedStub } from "@tsbuild/sandbox";
import type { OpsEnvironment } from "../environment.ts";
import { fileMount } from "./mounts.ts";
import { hostGateway, type StepNetwork } from "./network.ts";
import { DEFAULT_HOSTNAME } from "./step-spec.ts";

export interface NetworkFiles {
  readonly mounts: readonly ExecMount[];
  close(): void;
}

interface Texts {
  readonly hosts: string;
  readonly resolvConf: string;
}

const shared = new WeakMap<OpsEnvironment["store"], Map<string, string>>();

/** Most steps of a build have the same files, which none can write to. */
function sharedFolder(env: OpsEnvironment, texts: Texts): string {
  const folders = shared.get(env.store) ?? new Map<string, string>();
  shared.set(env.store, folders);
  const key = JSON.stringify(texts);
  const folder = folders.get(key) ?? freshFolder(env, texts);
  folders.set(key, folder);
  return folder;
}

function freshFolder({ store }: OpsEnvironment, { hosts, resolvConf }: Texts): string {
  const folder = store.temporaryFolder();
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "hosts"), hosts, { mode: 0o644 });
  writeFileSync(join(folder, "resolv.conf"), resolvConf, { mode: 0o644 });
  return folder;
}

/** Generated /etc/hosts and /etc/resolv.conf, mounted over the image's own and never part of a layer (B007, B008). */
export function networkFiles(env: OpsEnvironment, op: ExecOp, network: StepNetwork): NetworkFiles {
  const hostname = op.meta.hostname || DEFAULT_HOSTNAME;
  const texts = { hosts: hostsFile(hostname, extraHosts(op)), resolvConf: nameServers(env, network) };
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

function extraHosts(op: ExecOp) {
  return op.meta.extraHosts.map(({ host, ip }) => ({ host, ip: ip === "host-gateway" ? hostGateway() : ip }));
}

/** With the host's network its own file; else what is behind systemd-resolved's stub, which only the host can reach. */
function nameServers(env: OpsEnvironment, { network, provider }: StepNetwork): string {
  const text = env.resolvConf("host") ?? "";
  if (network === "host") return resolvConf(text, { network: "host" });
  const upstream = usesResolvedStub(text) ? env.resolvConf("resolved") : undefined;
  return resolvConf(upstream ?? text, {
    network: "none",
    forwarder: provider === undefined ? undefined : FORWARDED_DNS[provider],
  });
}
