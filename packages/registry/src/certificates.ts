import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { getCACertificates } from "node:tls";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import type { HostConfig } from "./hosts.ts";

/** What a TLS connection to one host is made with. */
export interface TlsSettings {
  /** Authorities beside those of the system, PEM. */
  readonly authorities: readonly string[];
  readonly client?: { readonly cert: string; readonly key: string } | undefined;
  readonly insecure: boolean;
}

/** Folders of Docker and of containers-certs.d(5), those of the user first. */
export function certificateFolders(env: Readonly<Record<string, string | undefined>>): string[] {
  const home = env["HOME"] || homedir();
  return [
    join(home, ".docker/certs.d"),
    join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "containers/certs.d"),
    "/etc/docker/certs.d",
    "/etc/containers/certs.d",
  ];
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    const code = errnoCode(error);
    // A folder of root's that others may not read is none of theirs.
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return [];
    throw error;
  }
}

function read(path: string, host: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new TsbuildError("TSB_USAGE", `the certificate file ${path} of ${host} cannot be read`, { cause });
  }
}

function clientPair(folder: string, files: readonly string[], host: string): TlsSettings["client"] {
  for (const cert of files.filter((file) => file.endsWith(".cert"))) {
    const key = cert.replace(/\.cert$/, ".key");
    if (!files.includes(key)) {
      throw new TsbuildError("TSB_USAGE", `${join(folder, cert)} has no key beside it`, {
        hint: `put it into ${join(folder, key)}; authorities end in .crt`,
      });
    }
    return { cert: read(join(folder, cert), host), key: read(join(folder, key), host) };
  }
  return undefined;
}

/** `certs.d/HOST[:PORT]`: `*.crt` are authorities, `*.cert` with `*.key` the client's own. */
export function readTls(
  host: string,
  config: HostConfig | undefined,
  folders: readonly string[],
): TlsSettings {
  const places = folders.map((folder) => join(folder, host));
  const found = places.map((folder) => ({ folder, files: filesOf(folder) }));
  const authorities = found.flatMap(({ folder, files }) =>
    files.filter((file) => file.endsWith(".crt")).map((file) => read(join(folder, file), host)),
  );
  if (config?.ca !== undefined) authorities.push(read(config.ca, host));
  const { cert, key } = config ?? {};
  const configured =
    cert === undefined || key === undefined ? undefined : { cert: read(cert, host), key: read(key, host) };
  const pairs = found.map(({ folder, files }) => clientPair(folder, files, host));
  const client = configured ?? pairs.find((pair) => pair !== undefined);
  return { authorities, client, insecure: config?.insecure === true };
}

/** True when somebody has set certificates up for the host: then it speaks TLS, also on loopback. */
export function hasCertificates(tls: TlsSettings): boolean {
  return tls.authorities.length > 0 || tls.client !== undefined;
}

/** Options of a TLS connection. Node forgets its own authorities when it is given others, so they are given together. */
export function tlsOptions(tls: TlsSettings): {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
} {
  return {
    ca: [...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...tls.authorities])],
    ...(tls.client ?? {}),
    rejectUnauthorized: !tls.insecure,
  };
}
