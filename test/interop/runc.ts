import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram, runOk, type World } from "../e2e/world.ts";
import { type Service, startService } from "./service.ts";

/** What Docker gives a container; umoci's bundles come with three only, too few for a server that changes its user. */
const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

interface Spec {
  process: { terminal?: boolean; capabilities: Record<string, string[]> };
  linux: { namespaces: { type: string }[] };
}

/** Fits a bundle for a machine without a terminal and without networks: host's network, Docker's capabilities. */
function adapt(bundle: string): void {
  const path = join(bundle, "config.json");
  const spec = JSON.parse(readFileSync(path, "utf8")) as Spec;
  spec.process.terminal = false;
  spec.process.capabilities = { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES };
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== "network");
  writeFileSync(path, JSON.stringify(spec));
}

/** Unpacks an image of an OCI layout by umoci to a bundle that runc can run; returns its folder. */
export async function unpackBundle(world: World, layout: string, name: string): Promise<string> {
  const bundle = world.path(name);
  await runOk("umoci", ["unpack", "--image", `${layout}:latest`, bundle]);
  adapt(bundle);
  return bundle;
}

const runc = (): string => findProgram("runc") ?? "runc";
const stateOf = (world: World): string => world.path("runc-state");

/** Runs a bundle's own command to its end. */
export async function runBundle(world: World, bundle: string): Promise<string> {
  const args = ["--root", stateOf(world), "run", "--bundle", bundle, `run-${process.pid}`];
  return (await runOk(runc(), args)).stdout;
}

/** Starts a bundle's own command; runc passes the signal of stop() on and removes the container at its end. */
export function startBundle(world: World, bundle: string): Promise<Service> {
  const args = ["--root", stateOf(world), "run", "--bundle", bundle, `service-${process.pid}`];
  return startService(runc(), args);
}
