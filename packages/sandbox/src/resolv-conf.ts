/** Google's public servers: what Docker falls back on as well. */
const FALLBACK_SERVERS = ["8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844"];

/** systemd-resolved's stub, and where it writes the servers behind it. */
const RESOLVED_STUB = "127.0.0.53";
export const resolvedUpstreamPath = "/run/systemd/resolve/resolv.conf";

/** Overrides of the daemon configuration's `dns` section. */
export interface DnsConfig {
  readonly nameservers?: readonly string[] | undefined;
  readonly searchDomains?: readonly string[] | undefined;
  readonly options?: readonly string[] | undefined;
}

function nameserverOf(line: string): string | undefined {
  return /^\s*nameserver\s+(\S+)/.exec(line)?.[1];
}

function isLoopback(address: string): boolean {
  return /^127\./.test(address) || address === "::1" || /^::ffff:127\./i.test(address);
}

/** True if the only server is systemd-resolved's stub: its list of servers (`resolvedUpstreamPath`) is to be read instead. */
export function usesResolvedStub(text: string): boolean {
  const servers = text
    .split("\n")
    .map(nameserverOf)
    .filter((server) => server !== undefined);
  return servers.length > 0 && servers.every((server) => server === RESOLVED_STUB);
}

function withoutKeyword(lines: readonly string[], keyword: string): string[] {
  return lines.filter((line) => !new RegExp(`^\\s*${keyword}(\\s|$)`).test(line));
}

function overridden(text: string, dns: DnsConfig): string[] {
  let lines = text.split("\n").filter((line) => line.trim() !== "");
  const replace = (keyword: string, added: readonly string[]): void => {
    lines = [...withoutKeyword(lines, keyword), ...added];
  };
  if (dns.nameservers?.length)
    replace(
      "nameserver",
      dns.nameservers.map((server) => `nameserver ${server}`),
    );
  if (dns.searchDomains?.length) {
    lines = withoutKeyword(lines, "domain");
    replace("search", [`search ${dns.searchDomains.join(" ")}`]);
  }
  if (dns.options?.length) replace("options", [`options ${dns.options.join(" ")}`]);
  return lines;
}

/**
 * Text of /etc/resolv.conf for a step (B008). With the host's network the servers stay as they are; in a network of its own
 * those on the host's loopback cannot be reached and go; if none is left, the forwarder takes their place, which asks the
 * host's own resolver, or public ones without one.
 */
export function resolvConf(
  hostText: string,
  options: {
    /** `none`: any network but the host's. */
    readonly network: "host" | "none";
    readonly dns?: DnsConfig | undefined;
    /** Address at which a private network's provider passes queries on to the host's resolver. */
    readonly forwarder?: string | undefined;
  },
): string {
  const lines = overridden(hostText, options.dns ?? {});
  if (options.network === "host") return `${lines.join("\n")}\n`;
  const reachable = lines.filter((line) => !isLoopback(nameserverOf(line) ?? ""));
  const hasServer = reachable.some((line) => nameserverOf(line) !== undefined);
  const hadServer = lines.some((line) => nameserverOf(line) !== undefined);
  const instead = options.forwarder !== undefined && hadServer ? [options.forwarder] : FALLBACK_SERVERS;
  const fallback = hasServer ? [] : instead.map((server) => `nameserver ${server}`);
  return `${[...reachable, ...fallback].join("\n")}\n`;
}
