/** What builds need of this machine: each gate tried, what takes its place where it is closed, and what opens it. */
import { constants, existsSync, mkdtempSync, rmSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { errnoCode, hostPlatform } from "@tsbuild/base";
import { inflateLibrary, inUserNamespace, nativeFs } from "@tsbuild/native-fs";
import type { Isolation } from "@tsbuild/ops";
import { findEmulation, type HostFacts, machines, readHostFacts } from "@tsbuild/sandbox";
import { defaultRoot, overlayRefusal } from "@tsbuild/store";
import { groupGates } from "./doctor-groups.ts";
import { namespaceGates, SEE_NAMESPACE } from "./doctor-namespaces.ts";
import { appArmorGate, securityModuleGate } from "./doctor-rights.ts";
import { type Gate, gate, mayUse } from "./gate.ts";
import { chooseIsolation } from "./isolation.ts";
import { userNamespaceReport } from "./user-namespace.ts";

export type { Gate } from "./gate.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** The state folder, or where it would be made: a question makes none. */
function nearestFolder(path: string): string {
  const absolute = resolve(path);
  return existsSync(absolute) || absolute === dirname(absolute) ? absolute : nearestFolder(dirname(absolute));
}

/** Somewhere to try things, on the state folder's file system; else why nothing can be written there. */
function makeScratch(root: string): { readonly folder: string } | { readonly refusal: string } {
  try {
    return { folder: mkdtempSync(join(nearestFolder(root), "tsbuild-doctor-")) };
  } catch (error) {
    if (errnoCode(error) === undefined || !(error instanceof Error)) throw error;
    return { refusal: error.message };
  }
}

function overlayGate(env: Env, root: string, scratch: string): Gate {
  const refusal = overlayRefusal(nativeFs, scratch, inUserNamespace());
  return gate({
    name: "overlay",
    holds: refusal === undefined,
    found: refusal ?? `mounted in ${root}${inUserNamespace() ? ", with userxattr" : ""}`,
    fallback: "layers are copied and compared: slower, and more disk",
    fix:
      userNamespaceReport(env)?.got === "none"
        ? SEE_NAMESPACE
        : "give --root on a local filesystem (ext4, xfs, btrfs); Linux 5.11 or newer without root",
  });
}

function stateGate(root: string, refusal: string): Gate {
  return gate({
    name: "state folder",
    holds: false,
    required: true,
    found: `nothing can be written to ${root}: ${refusal}`,
    fallback: "nothing builds",
    fix: "give --root (or set TSBUILD_ROOT to) a folder of this user's own",
  });
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

/** Layers come as gzip, and inflating them is most of what a pull computes. */
function gzipGate(): Gate {
  const library = inflateLibrary();
  return gate({
    name: "fast gzip",
    holds: library === "isa-l",
    found: library === "isa-l" ? "ISA-L inflates" : "ISA-L is not installed (libisal.so.2)",
    fallback: "zlib inflates: pulls compute longer",
    fix: "apt-get install libisal2",
  });
}

/** For each kind of machine that images are common for: whether its steps run here, and by what. */
function emulationGate(env: Env, scratch: string): Gate {
  const others = machines.filter(
    ({ architecture }) =>
      ["amd64", "arm64", "arm", "riscv64"].includes(architecture) &&
      architecture !== hostPlatform().architecture,
  );
  const found = others.map((machine) => {
    const how = findEmulation(machine, { path: env["PATH"] ?? "", temporaryFolder: () => scratch });
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

/** What a chroot does without, whether this machine has it or not. */
function inChroot(isolation: Isolation, { name, fallback, ...rest }: Gate): Gate {
  const without = { name, fallback, required: false, holds: false, found: "steps run in a chroot" };
  return isolation === "chroot" ? { ...without, fix: SEE_NAMESPACE } : { name, fallback, ...rest };
}

/** Tries every gate; nothing is left behind. */
export function examine(options: { readonly env: Env; readonly root?: string | undefined }): Gate[] {
  const { env } = options;
  const uid = userNamespaceReport(env)?.uid ?? process.getuid?.() ?? 0;
  const root = options.root ?? defaultRoot(env, uid);
  const facts = readHostFacts();
  const isolation = chooseIsolation({ given: undefined, env, ociRuntime: undefined });
  const scratch = makeScratch(root);
  const folder = "folder" in scratch ? scratch.folder : undefined;
  try {
    return [
      ...namespaceGates({ env, proc: "/proc", isolation }),
      openat2Gate(),
      folder === undefined
        ? stateGate(root, "refusal" in scratch ? scratch.refusal : "")
        : overlayGate(env, root, folder),
      ...groupGates(facts),
      inChroot(isolation, procGate(facts)),
      inChroot(isolation, seccompGate(facts)),
      securityModuleGate(),
      appArmorGate(facts),
      inChroot(isolation, networkGate(env)),
      ...(folder === undefined ? [] : [emulationGate(env, folder)]),
      gzipGate(),
    ];
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
