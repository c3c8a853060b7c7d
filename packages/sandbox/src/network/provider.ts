/**
 * Programs that connect a network namespace to the outside without rights in the host's network: pasta and slirp4netns. Both turn the
 * namespace's packets into sockets of their own, so that a step reaches what an ordinary process of this machine reaches, and
 * nothing reaches the step. Neither forwards to the host's loopback here, and abstract sockets end at the namespace anyway. What listens on other addresses of
 * the host is reachable, as it is from Docker's bridge.
 */
import { accessSync, constants } from "node:fs";
import { findProgram } from "../find-program.ts";

/**
 * In the order of preference. slirp4netns was up in 12 ms where pasta took 24, moved 20 MB in 0.12 s (pasta: 0.18 s), and the pasta of
 * Debian 12 repeats a short answer without end when the server closes after it.
 */
export const providerNames = ["slirp4netns", "pasta"] as const;
export type ProviderName = (typeof providerNames)[number];

export interface NetworkProvider {
  readonly name: ProviderName;
  readonly program: string;
}

/** The step's address and gateway: those that slirp4netns has by default, whatever the host's network looks like. */
const ADDRESS = "10.0.2.100";
const GATEWAY = "10.0.2.2";

/**
 * A server that answers with what the host's own resolver says, even one on the host's loopback. pasta's --dns-forward does not
 * reach that far without its mapping of the gateway to the loopback, and rewrites the answers of servers that were asked directly.
 */
export const FORWARDED_DNS: Readonly<Partial<Record<ProviderName, string>>> = { slirp4netns: "10.0.2.3" };

/** The namespace is the program's standard input: it may not open one by a path below /proc of a process with more rights. */
const NAMESPACE = "/proc/self/fd/0";

/** What is executed for a namespace; `pidFile` is written by pasta when the network is up. */
export function providerCommand(provider: NetworkProvider, pidFile: string): string[] {
  return provider.name === "pasta" ? pastaCommand(provider.program, pidFile) : slirpCommand(provider.program);
}

function pastaCommand(program: string, pidFile: string): string[] {
  const noForwarding = ["-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw"];
  return [
    program,
    "--foreground",
    "--quiet",
    "--config-net",
    ...["--address", ADDRESS, "--netmask", "24", "--gateway", GATEWAY],
    ...noForwarding,
    /* Root of this user namespace: "nobody", its default, need not be mapped in it. It drops its capabilities and roots itself. */
    ...["--runas", "0:0"],
    ...["--pid", pidFile],
    "--no-netns-quit",
    ...["--netns", NAMESPACE],
  ];
}

function slirpCommand(program: string): string[] {
  return [
    program,
    "--configure",
    "--mtu=65520",
    "--disable-host-loopback",
    "--enable-sandbox",
    /* Standard output carries nothing else: the log goes to standard error. */
    "--ready-fd=1",
    "--netns-type=path",
    NAMESPACE,
    "tap0",
  ];
}

/** The first of the named providers that is installed; "" or why there is none. */
export function findProvider(
  names: readonly ProviderName[],
  options: { readonly path: string; readonly tunDevice?: string },
): NetworkProvider | string {
  const found = names.flatMap((name) => {
    const program = findProgram([name], options.path);
    return program === undefined ? [] : [{ name, program }];
  });
  const [provider] = found;
  if (provider === undefined)
    return `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} not installed`;
  const tun = options.tunDevice ?? "/dev/net/tun";
  try {
    accessSync(tun, constants.R_OK | constants.W_OK);
  } catch {
    /* As in most containers; a provider would only say so later. */
    return `${tun} is missing or may not be opened`;
  }
  return provider;
}
