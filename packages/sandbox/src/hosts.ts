/** `--add-host`: a name and the address that it stands for. */
export interface ExtraHost {
  readonly host: string;
  readonly ip: string;
}

/** Text of /etc/hosts (B007): loopback names, the sandbox's own name, then extra hosts in order. */
export function hostsFile(hostname: string, extraHosts: readonly ExtraHost[] = []): string {
  const lines = [
    `127.0.0.1\tlocalhost ${hostname}`,
    "::1\tlocalhost ip6-localhost ip6-loopback",
    ...extraHosts.map(({ host, ip }) => `${ip}\t${host}`),
  ];
  return `${lines.join("\n")}\n`;
}
