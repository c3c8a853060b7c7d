import { isIP } from "node:net";
import { TsbuildError } from "@tsbuild/base";

/** One place that may serve a host's images. */
export interface Endpoint {
  /** Origin with an optional path prefix, without trailing slash: `https://registry-1.docker.io`. */
  readonly url: string;
  readonly mirror: boolean;
}

/** Settings of one registry host. */
export interface HostConfig {
  /** Tried in order before the host itself; `http://…` or `https://…`. */
  readonly mirrors?: readonly string[] | undefined;
  /** Plain HTTP for the host itself. */
  readonly http?: boolean | undefined;
}

export type HostConfigs = Readonly<Record<string, HostConfig>>;

/** True for names that can only mean this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  return isIP(name) === 4 ? name.startsWith("127.") : name === "::1";
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

/** Where a host's images come from, in the order to try: mirrors, then the host (R004). Loopback speaks plain HTTP. */
export function endpointsOf(host: string, configs: HostConfigs): Endpoint[] {
  const config = configs[host];
  const mirrors = (config?.mirrors ?? []).map((url) => ({ url: normalizeUrl(url), mirror: true }));
  const name = host === "docker.io" ? "registry-1.docker.io" : host;
  const scheme = config?.http === true || isLoopback(host) ? "http" : "https";
  return [...mirrors, { url: `${scheme}://${name}`, mirror: false }];
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
