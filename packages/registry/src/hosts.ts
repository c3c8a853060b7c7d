import { isIP } from "node:net";
import { TsbuildError } from "@tsbuild/base";

/** One place that may serve a host's images. */
export interface Endpoint {
  /** Of the API, less its `/v2`, without trailing slash: `https://registry-1.docker.io`. */
  readonly url: string;
  /** What repositories are below here (`hub` of `https://harbor.example/hub`); default: nothing. */
  readonly prefix?: string | undefined;
  readonly mirror: boolean;
  /** Whose credentials and settings count: `docker.io`, or the mirror's own host. */
  readonly host: string;
  /** Nobody has said which: HTTPS is tried first, then plain HTTP. */
  readonly eitherScheme?: boolean | undefined;
}

/** Settings of one registry host. */
export interface HostConfig {
  /** Tried in order before the host itself; `http://…` or `https://…`. */
  readonly mirrors?: readonly string[] | undefined;
  /** Plain HTTP for the host itself. */
  readonly http?: boolean | undefined;
  /** Certificates are not checked, and plain HTTP is used where there is no TLS. */
  readonly insecure?: boolean | undefined;
  /** Files in PEM: authorities beside the system's, and a client's certificate with its key. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** Uploads go in pieces of so many bytes, for proxies that limit the size of a body (R008). */
  readonly chunkBytes?: number | undefined;
  /** Transfers at a time (R006); one more connection is kept for manifests and tokens. Default 4. */
  readonly connections?: number | undefined;
}

export type HostConfigs = Readonly<Record<string, HostConfig>>;

/** True for names that can only mean this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  return isIP(name) === 4 ? name.startsWith("127.") : name === "::1";
}

/** True for addresses of one wire (RFC 3927, RFC 4291), and for what URLs make of the loopback's other spellings: no address at all. */
export function isLinkLocal(hostname: string): boolean {
  const name = hostname.replace(/^\[|\]$/g, "");
  if (isIP(name) === 4) return name.startsWith("169.254.") || name === "0.0.0.0";
  /* IPv4 in IPv6, as `new URL` writes it: ::ffff:7f00:1. */
  return isIP(name) === 6 && /^(fe[89ab].:|::$|::ffff:(7f|a9fe:|0:))/.test(name);
}

function normalizeUrl(text: string): string {
  const withScheme = /^https?:\/\//.test(text) ? text : `${isLoopback(text) ? "http" : "https"}://${text}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch (cause) {
    throw new TsbuildError("TSB_USAGE", `${JSON.stringify(text)} is not the URL of a registry mirror`, {
      hint: "write it as http://HOST[:PORT] or https://HOST[:PORT]",
      cause,
    });
  }
  return `${url.origin}${url.pathname.replace(/\/$/, "")}`;
}

/** Docker Hub has several names: images say docker.io, its registry is registry-1.docker.io. */
export function canonicalHost(host: string): string {
  return /^(index\.|registry-1\.|registry\.)?docker\.io$/.test(host) ? "docker.io" : host;
}

/**
 * A path of a mirror is where it keeps the repositories (R004): `https://harbor.example/hub` has `hub/library/debian`. One that names `/v2`
 * says by it where the API begins: `https://x/registry/v2/hub`.
 */
function mirrorEndpoint(text: string): Endpoint {
  const { origin, host, pathname } = new URL(normalizeUrl(text));
  const parts = pathname.split("/").filter((part) => part !== "");
  const api = parts.indexOf("v2");
  const url = [origin, ...parts.slice(0, Math.max(api, 0))].join("/");
  const prefix = parts.slice(api + 1).join("/");
  return { url, ...(prefix === "" ? {} : { prefix }), mirror: true, host: canonicalHost(host) };
}

/** The host itself. Loopback speaks plain HTTP, unless it is set up with certificates (R004). */
export function ownEndpoint(host: string, configs: HostConfigs, hasCertificates: boolean): Endpoint {
  const config = configs[host];
  const name = host === "docker.io" ? "registry-1.docker.io" : host;
  const plain = config?.http ?? (isLoopback(host) && !hasCertificates && config?.insecure !== true);
  const eitherScheme = config?.http === undefined && config?.insecure === true;
  return { url: `${plain ? "http" : "https"}://${name}`, mirror: false, host, eitherScheme };
}

/** Where a host's images come from, in the order to try: mirrors, then the host (R004). */
export function endpointsOf(host: string, configs: HostConfigs, hasCertificates = false): Endpoint[] {
  const mirrors = (configs[host]?.mirrors ?? []).map(mirrorEndpoint);
  return [...mirrors, ownEndpoint(host, configs, hasCertificates || configs[host]?.ca !== undefined)];
}

/** Parses `HOST=URL[,HOST=URL]` (TSBUILD_MIRROR). Several entries of one host are tried in order. */
export function parseMirrors(text: string): HostConfigs {
  const configs: Record<string, { mirrors: string[] }> = {};
  for (const part of text.split(",").map((piece) => piece.trim())) {
    if (part === "") continue;
    const at = part.indexOf("=");
    if (at <= 0 || at === part.length - 1) {
      throw new TsbuildError("TSB_USAGE", `TSBUILD_MIRROR: ${JSON.stringify(part)} is not HOST=URL`, {
        hint: "for example TSBUILD_MIRROR=docker.io=http://127.0.0.1:5000",
      });
    }
    const host = part.slice(0, at);
    configs[host] ??= { mirrors: [] };
    configs[host].mirrors.push(normalizeUrl(part.slice(at + 1)));
  }
  return configs;
}
