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

/** Generated /etc/hosts and /etc/resolv.conf, mounted over the image's own and never part of a layer (B007, B008). */
export function networkFiles(env: OpsEnvironment, op: ExecOp, network: StepNetwork): NetworkFiles {
  const folder = env.store.temporaryFolder();
  mkdirSync(folder, { recursive: true });
  const hostname = op.meta.hostname || DEFAULT_HOSTNAME;
  writeFileSync(join(folder, "hosts"), hostsFile(hostname, extraHosts(op)), { mode: 0o644 });
  writeFileSync(join(folder, "resolv.conf"), nameServers(env, network), { mode: 0o644 });
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
