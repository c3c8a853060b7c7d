/** Gates of control groups: which limits of steps can be set, and what keeps device nodes shut. */
import { constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode } from "@tsbuild/base";
import { type HostFacts, mayFilterDevices, mayHandDown } from "@tsbuild/sandbox";
import { type Gate, gate, mayUse } from "./gate.ts";

/** Controllers by the limits that they are for. */
const LIMITS = [
  ["memory", "--memory, --memory-swap"],
  ["cpu", "--cpu-shares, --cpu-quota"],
  ["cpuset", "--cpuset-cpus, --cpuset-mems"],
  ["pids", "--resource=pids"],
] as const;

/** Why a controller cannot be used; undefined if it can. */
function refusal({ cgroups }: HostFacts, controller: string): string | undefined {
  if (cgroups.version === 0) return "no control groups are mounted";
  if (cgroups.version === 2)
    return unifiedRefusal(join(cgroups.mountPoint, cgroups.host ?? cgroups.path), controller);
  const hierarchy = cgroups.hierarchies.find(({ controllers }) => controllers.includes(controller));
  if (hierarchy === undefined) return "not mounted";
  const own = join(hierarchy.mountPoint, hierarchy.path);
  return mayUse(own, constants.W_OK) ? undefined : `${own} is not this user's to write to`;
}

function unifiedRefusal(own: string, controller: string): string | undefined {
  if (!mayUse(join(own, "cgroup.procs"), constants.W_OK)) return `${own} is not delegated to this user`;
  if (!controllersOf(own).includes(controller)) return `not among those of ${own}`;
  return mayHandDown(own) ? undefined : `${own} has other processes, and so hands nothing down`;
}

function controllersOf(group: string): readonly string[] {
  try {
    return readFileSync(join(group, "cgroup.controllers"), "utf8").trim().split(/\s+/);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return [];
  }
}

/** All controllers in one: they mostly share their fate. */
function limitsGate(facts: HostFacts): Gate {
  const all = LIMITS.map(([controller, flags]) => ({ controller, flags, why: refusal(facts, controller) }));
  const refused = all.filter(({ why }) => why !== undefined);
  const set = all.filter(({ why }) => why === undefined).map(({ controller }) => controller);
  const version = facts.cgroups.version === 0 ? [] : [`version ${facts.cgroups.version}`];
  const usable = set.length === 0 ? [] : [`${set.join(", ")} may be set`];
  return gate({
    name: "cgroups",
    holds: refused.length === 0,
    found: [...version, ...usable, ...refused.map(({ controller, why }) => `${controller}: ${why}`)].join(
      "; ",
    ),
    fallback: `steps run without the limits of ${refused.map(({ flags }) => flags).join(", ")}, and the log says so`,
    fix: fixFor(facts),
  });
}

function fixFor({ cgroups, userNamespace }: HostFacts): string {
  if (userNamespace === "none")
    return "in a container, start it with --cgroupns=private and writable control groups";
  const delegate = "systemd-run --user --scope -p Delegate=yes tsbuild …";
  return cgroups.version === 2 ? delegate : `boot with systemd.unified_cgroup_hierarchy=1, then ${delegate}`;
}

/** How nodes that a step makes are kept from opening the host's devices. */
function deviceGate(facts: HostFacts): Gate {
  const byGroup =
    facts.devices !== undefined && mayUse(join(facts.devices.mountPoint, facts.devices.path), constants.W_OK);
  const guarded = byGroup || mayFilterDevices(facts);
  const how = byGroup ? "a version 1 group" : "a program of the step's version 2 group";
  return gate({
    name: "devices",
    holds: guarded,
    found: guarded ? `opened by rule: ${how}` : "no control group to ask",
    fallback:
      "all mounts of a step are nodev: it may make device nodes where the kernel lets it, but opens none of them",
    fix: "build as root where control groups may be written; a step that opens no node of its own making needs nothing",
  });
}

export function groupGates(facts: HostFacts): Gate[] {
  return [limitsGate(facts), deviceGate(facts)];
}
