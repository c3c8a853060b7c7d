/** What builds need of this machine: each gate tried, what takes its place where it is closed, and what opens it. */
import { constants, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { errnoCode, hostPlatform } from "@tsbuild/base";
import { inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import { findEmulation, type HostFacts, machines, readHostFacts } from "@tsbuild/sandbox";
import { defaultRoot, overlayRefusal } from "@tsbuild/store";
import { groupGates } from "./doctor-groups.ts";
import { appArmorGate, mapperGate, securityModuleGate } from "./doctor-rights.ts";
import { type Gate, gate, mayUse } from "./gate.ts";
import { subordinateIdsHint, userNamespaceReport } from "./user-namespace.ts";

export type { Gate } from "./gate.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** A setting of the kernel; undefined where this kernel has no such file. */
function sysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${name}`, "utf8").trim();
  } catch (error) {
    if (["ENOENT", "EACCES", "ENOTDIR"].includes(errnoCode(error) ?? "")) return undefined;
    throw error;
  }
}

/** A setting that forbids user namespaces at one value. */
function setting(name: string, forbids: string, allow: string): Gate {
  const value = sysctl(name.replaceAll(".", "/"));
  return gate({
    name,
    holds: value !== forbids,
    found: value === undefined ? "this kernel has no such setting" : value,
    fallback: "only root builds",
    fix: `as root: sysctl -w ${name}=${allow}`,
  });
}

/** Ubuntu 23.10 and later: a profile for the one program is enough, and leaves the setting on for all others. */
const APPARMOR_FIX = [
  "as root, for tsbuild alone: write 'abi <abi/4.0>, include <tunables/global> profile tsbuild /**/tsbuild-userns flags=(unconfined) { userns, }'",
  "to /etc/apparmor.d/tsbuild and run apparmor_parser -r /etc/apparmor.d/tsbuild;",
  "for all programs: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
].join(" ");

function namespaceGates(env: Env): Gate[] {
  const report = userNamespaceReport(env);
  const ids = report === undefined || report.got === "range";
  return [
    gate({
      name: "user namespace",
      holds: report?.got !== "none",
      required: true,
      found:
        report === undefined ? "not needed: this is root" : report.got === "none" ? report.reason : "made",
      fallback: "no step runs",
      fix: "see the settings below; in a container, let the runtime allow unshare (seccomp, AppArmor)",
    }),
    gate({
      name: "subordinate ids",
      holds: ids,
      found:
        report === undefined
          ? "not needed: this is root"
          : ids
            ? report.uid === 0
              ? "all that root has here"
              : "all of /etc/subuid"
            : report.reason,
      fallback: "files and steps of root alone: a change to another owner fails",
      fix: report === undefined ? "" : subordinateIdsHint(report),
    }),
    mapperGate(env, report),
    setting("user.max_user_namespaces", "0", "28633"),
    setting("kernel.unprivileged_userns_clone", "0", "1"),
    {
      ...setting("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
      ...(sysctl("kernel/apparmor_restrict_unprivileged_userns") === "1" ? { fix: APPARMOR_FIX } : {}),
    },
  ];
}

/** The state folder, or where it would be made: a question makes none. */
function nearestFolder(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) || absolute === dirname(absolute) ? absolute : nearestFolder(dirname(absolute));
}

function overlayGate(root: string): Gate {
  const folder = mkdtempSync(join(nearestFolder(root), "tsbuild-doctor-"));
  try {
    const refusal = overlayRefusal(nativeFs, folder, inUserNamespace());
    return gate({
      name: "overlay",
      holds: refusal === undefined,
      found: refusal ?? `mounted in ${root}${inUserNamespace() ? ", with userxattr" : ""}`,
      fallback: "layers are copied and compared: slower, and more disk",
      fix: "give --root on a local filesystem (ext4, xfs, btrfs); Linux 5.11 or newer without root",
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function procGate({ hidden = [] }: HostFacts): Gate {
  const names = hidden.map((type) => (type === "proc" ? "/proc" : "/sys"));
  return gate({
    name: "new /proc and /sys",
    holds: names.length === 0,
    found:
      names.length === 0 ? "may be mounted" : `parts of ${names.join(" and ")} are hidden or read-only here`,
    fallback:
      "steps see those of this container, and with its /proc share its network and can look into each other",
    fix: "start the container with --security-opt systempaths=unconfined (Docker) or --security-opt unmask=ALL (Podman)",
  });
}

function seccompGate({ seccompMachine }: HostFacts): Gate {
  return gate({
    name: "seccomp",
    holds: seccompMachine !== undefined,
    found:
      seccompMachine === undefined
        ? "no filter for this kernel or machine"
        : `a filter for ${seccompMachine}`,
    fallback: "steps may make every system call",
    fix: "a kernel with CONFIG_SECCOMP_FILTER, on x86-64 or arm64",
  });
}

function networkGate(env: Env): Gate {
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const found = ["pasta", "slirp4netns"].filter((name) =>
    folders.some((folder) => mayUse(join(folder, name), constants.X_OK)),
  );
  const tun = mayUse("/dev/net/tun", constants.R_OK | constants.W_OK);
  const programs = found.length === 0 ? "neither pasta nor slirp4netns" : found.join(", ");
  return gate({
    name: "private network",
    holds: found.length > 0 && tun,
    found: `${programs}; /dev/net/tun ${tun ? "opens" : "does not open"}`,
    fallback: "steps share the host's network",
    fix:
      found.length === 0
        ? "apt-get install passt or slirp4netns"
        : "as root: modprobe tun; echo 'KERNEL==\"tun\", MODE=\"0666\"' > /etc/udev/rules.d/90-tun.rules; udevadm trigger /dev/net/tun (udev's own default; it gives no rights in the host's network)",
  });
}

/** For each kind of machine that images are common for: whether its steps run here, and by what. */
function emulationGate(env: Env): Gate {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-doctor-"));
  try {
    const others = machines.filter(
      ({ architecture }) =>
        ["amd64", "arm64", "arm", "riscv64"].includes(architecture) &&
        architecture !== hostPlatform().architecture,
    );
    const found = others.map((machine) => {
      const how = findEmulation(machine, { path: env["PATH"] ?? "", temporaryFolder: () => folder });
      const by = { kernel: "by the kernel", none: "no", emulator: "" }[how.type];
      return { how, text: `${machine.architecture}: ${how.type === "emulator" ? how.program : by}` };
    });
    return gate({
      name: "emulation",
      holds: found.some(({ how }) => how.type !== "none"),
      found: found.map(({ text }) => text).join(", "),
      fallback: "steps of other platforms do not run",
      fix: "apt-get install qemu-user-static; before Linux 6.7 binfmt-support as well",
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Paths in a rootfs are resolved by openat2 alone. */
function openat2Gate(): Gate {
  let failure = "";
  const root = nativeFs.openFolder("/");
  try {
    nativeFs.statInRoot(root, "proc", false);
  } catch (error) {
    failure = error instanceof Error ? error.message : String(error);
  } finally {
    nativeFs.close(root);
  }
  return gate({
    name: "openat2",
    holds: failure === "",
    required: true,
    found: failure === "" ? "works" : failure,
    fallback: "nothing builds",
    fix: "Linux 5.12 or newer; in a container, a runtime whose seccomp profile knows openat2",
  });
}

/** Tries every gate; nothing is left behind but the state folder itself. */
export function examine(options: { readonly env: Env; readonly root?: string | undefined }): Gate[] {
  const { env } = options;
  const uid = userNamespaceReport(env)?.uid ?? process.getuid?.() ?? 0;
  const facts = readHostFacts();
  return [
    ...namespaceGates(env),
    openat2Gate(),
    overlayGate(options.root ?? defaultRoot(env, uid)),
    ...groupGates(facts),
    procGate(facts),
    seccompGate(facts),
    securityModuleGate(),
    appArmorGate(facts),
    networkGate(env),
    emulationGate(env),
  ];
}
