import { networkInterfaces } from "node:os";
import type { ExecOp } from "@tsbuild/llb";
import { CHROOT_SHARES, type ExecSpec, type PrivateNetwork, sharesProc } from "@tsbuild/sandbox";
import type { OpContext } from "@tsbuild/solver";
import type { OpsEnvironment } from "../environment.ts";
import { tellOnce } from "./notice.ts";

/** The network of one step (B010), its own until `release`. */
export interface StepNetwork {
  readonly network: ExecSpec["network"];
  /** With a private network: who connects it. */
  readonly provider?: PrivateNetwork["provider"] | undefined;
  /** Connects a network on demand; see ExecIo. */
  readonly connect?: PrivateNetwork["connect"] | undefined;
  release(): Promise<void>;
}

interface NetworkRun {
  readonly env: OpsEnvironment;
  readonly op: { readonly kind: ExecOp };
  readonly context: OpContext;
}

const nothing = async (): Promise<void> => undefined;

/** `default` is private where that can be had, else the host's, with a word in the log of the first such step. */
export async function acquireNetwork(run: NetworkRun): Promise<StepNetwork> {
  const { env, op } = run;
  const { network, security } = op.kind;
  if (env.isolation === "chroot") {
    tellOnce(
      run,
      `steps run in a chroot: ${CHROOT_SHARES}, and there is no /proc and no /sys (--isolation=chroot)`,
    );
    return { network: network === "none" ? "none" : "host", release: nothing };
  }
  const sharedProc = sharesProc();
  if (sharedProc) tellOnce(run, SHARED_PROC);
  /* slirp4netns has fewer capabilities than a step: through a shared /proc the step would reach its root folder, the container's. */
  if (network !== "default" || sharedProc)
    return { network: network === "none" ? "none" : "host", release: nothing };
  const isConfined = security !== "insecure";
  const [pool, sandbox] = await Promise.all([env.networks(), env.sandbox()]);
  const acquired = await pool.acquire({ onDemand: isConfined && sandbox.connectsOnDemand });
  if ("unavailable" in acquired) {
    if (acquired.unavailable !== "") tellOnce(run, sharedNetwork(acquired.unavailable));
    return { network: "host", release: nothing };
  }
  return {
    network: acquired.fd === undefined ? "on-demand" : { fd: acquired.fd },
    provider: acquired.provider,
    connect: acquired.connect,
    release: () => acquired.release({ reusable: isConfined }),
  };
}

const SHARED_PROC =
  "steps share this container's network and see its /proc, where processes have the numbers of the container and steps at the " +
  "same time see that the others are there: parts of it are hidden, so the kernel mounts no new one (to have one, Docker: --security-opt systempaths=unconfined; Podman: --security-opt unmask=ALL)";

function sharedNetwork(reason: string): string {
  return (
    `steps share the host's network: ${reason}. ` +
    "For a private one: install passt or slirp4netns, and let /dev/net/tun be opened; " +
    "to choose the host's: --network-provider=host"
  );
}

/** What `host-gateway` stands for (C020): an address of this machine that a private network reaches too, never its loopback. */
export function hostGateway(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.filter(({ internal, scopeid }) => !internal && !scopeid);
  const address = outside.find(({ family }) => family === "IPv4") ?? outside[0];
  return address?.address ?? "127.0.0.1";
}
