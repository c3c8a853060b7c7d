/**
 * Steps for other machines (B021). Where the kernel does not run their programs itself, it is told of this machine's static qemu: not for
 * all of the machine, which would be the administrator's to decide, but in a user namespace of the builder's (Linux 6.7), which the
 * step joins at the last moment. There every program that the step starts is emulated, and nothing else on the machine is.
 */
import { formatPlatform, hostPlatform, type Platform, TsbuildError } from "@tsbuild/base";
import { type HeldNamespace, holdNamespace } from "../user-namespaces.ts";
import { type FindOptions, findEmulation, registered } from "./find.ts";
import { binfmtRule, type Machine, machines } from "./machines.ts";

/** How a step for another platform runs. */
export interface Emulation {
  /** For people: `qemu-aarch64-static`; undefined: the kernel sees to it. */
  readonly emulator: string | undefined;
  /** Descriptor of the user namespace to run it in. */
  readonly userNamespace: number | undefined;
}

export interface Emulations {
  /** Undefined: this machine's own kind, or one that it runs like its own. Rejects with TSB_SANDBOX naming what to install. */
  emulation(platform: Platform): Promise<Emulation | undefined>;
  close(): Promise<void>;
}

export interface EmulationOptions extends FindOptions {
  /** The native program. */
  readonly binary: string;
}

export function createEmulations(options: EmulationOptions): Emulations {
  const known = new Map<string, Promise<Emulation | undefined>>();
  const running: HeldNamespace[] = [];
  return {
    emulation: async (platform) => {
      const { architecture } = platform;
      if (architecture === hostPlatform().architecture) return undefined;
      const found = known.get(architecture) ?? open(options, platform, running);
      known.set(architecture, found);
      return found;
    },
    close: async () => {
      for (const namespace of running) namespace.close();
    },
  };
}

/** Machines whose programs a processor and its kernel run at full speed besides their own, where that is not switched off. */
const COMPATIBLE: Readonly<Record<string, string>> = { amd64: "386", arm64: "arm" };

async function open(
  options: EmulationOptions,
  platform: Platform,
  running: HeldNamespace[],
): Promise<Emulation | undefined> {
  const machine = machines.find(({ architecture }) => architecture === platform.architecture);
  const found = machine === undefined ? undefined : findEmulation(machine, options);
  if (machine === undefined || found === undefined || found.type === "none")
    throw noEmulator(platform, machine);
  if (found.type === "kernel") {
    const own = COMPATIBLE[hostPlatform().architecture] === machine.architecture;
    const isNative = own && registered(machine, options.binfmtFolder) === undefined;
    return isNative ? undefined : { emulator: undefined, userNamespace: undefined };
  }
  const { program } = found;
  const started = await holdNamespace(options.binary, [binfmtRule(machine, program)]).catch(
    (cause: unknown) => {
      throw notTold(platform, program, cause);
    },
  );
  running.push(started);
  return { emulator: program.slice(program.lastIndexOf("/") + 1), userNamespace: started.userNamespace };
}

const NATIVE =
  "or let this machine do the work: FROM --platform=$BUILDPLATFORM, with $TARGETARCH for the compiler";

function noEmulator(platform: Platform, machine: Machine | undefined): TsbuildError {
  const [wanted, here] = [formatPlatform(platform), formatPlatform(hostPlatform())];
  const package_ = machine === undefined ? "" : "apt-get install qemu-user-static (dnf: qemu-user-static), ";
  return new TsbuildError(
    "TSB_SANDBOX",
    `a step for ${wanted} cannot run on this machine (${here}): ${machine === undefined ? "no emulator of it is known" : `no static ${machine.qemu} is installed`}`,
    { hint: `${package_}${NATIVE}` },
  );
}

function notTold(platform: Platform, program: string, cause: unknown): TsbuildError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new TsbuildError(
    "TSB_SANDBOX",
    `a step for ${formatPlatform(platform)} cannot run: the kernel could not be told of ${program} (${why})`,
    {
      hint: `as root, for the whole machine: apt-get install qemu-user-static binfmt-support; without that Linux 6.7 is needed, and user namespaces; ${NATIVE}`,
      cause,
    },
  );
}
