import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ExecOp } from "@tsbuild/llb";
import { type ExecMount, hostsFile, resolvConf } from "@tsbuild/sandbox";
import type { OpsEnvironment } from "../environment.ts";
import { fileMount } from "./mounts.ts";

/** Name of the machine that a step sees (B009). */
export const DEFAULT_HOSTNAME = "buildkitsandbox";

export interface NetworkFiles {
  readonly mounts: readonly ExecMount[];
  close(): void;
}

/** Generated /etc/hosts and /etc/resolv.conf, mounted over the image's own and never part of a layer (B007, B008). */
export function networkFiles(env: OpsEnvironment, op: ExecOp): NetworkFiles {
  const folder = env.store.temporaryFolder();
  mkdirSync(folder, { recursive: true });
  const hostname = op.meta.hostname || DEFAULT_HOSTNAME;
  const network = op.network === "none" ? "none" : "host";
  writeFileSync(join(folder, "hosts"), hostsFile(hostname, op.meta.extraHosts), { mode: 0o644 });
  writeFileSync(join(folder, "resolv.conf"), resolvConf(env.resolvConf() ?? "", { network }), {
    mode: 0o644,
  });
  const files = [
    fileMount(env, folder, "resolv.conf", "/etc/resolv.conf"),
    fileMount(env, folder, "hosts", "/etc/hosts"),
  ];
  const close = (): void => {
    for (const file of files) file.close();
  };
  return { mounts: files.map((file) => file.mount), close };
}
