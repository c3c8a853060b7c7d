import { Agent, type Dispatcher, ProxyAgent } from "undici";
import { certificateFolders, readTls, type TlsSettings, tlsOptions } from "./certificates.ts";
import type { HostConfigs } from "./hosts.ts";
import { proxyFor } from "./proxies.ts";

/** Transfers may wait for each other; manifests and tokens must not wait for transfers (R006). */
export type Pool = "transfers" | "metadata";

const TRANSFERS = 4;

/** One set of connections per host and pool, each with the host's certificates, and through its proxy. */
export class Dispatchers {
  readonly #hosts: HostConfigs;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #idleMs: number;
  readonly #folders: readonly string[];
  readonly #open = new Map<string, Dispatcher>();
  readonly #tls = new Map<string, TlsSettings>();

  constructor(options: {
    readonly hosts: HostConfigs;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly idleMs: number;
    readonly certificateFolders?: readonly string[] | undefined;
  }) {
    this.#hosts = options.hosts;
    this.#env = options.env;
    this.#idleMs = options.idleMs;
    this.#folders = options.certificateFolders ?? certificateFolders(options.env);
  }

  tls(host: string): TlsSettings {
    const known = this.#tls.get(host);
    if (known !== undefined) return known;
    const tls = readTls(
      host,
      this.#hosts[host === "registry-1.docker.io" ? "docker.io" : host],
      this.#folders,
    );
    this.#tls.set(host, tls);
    return tls;
  }

  for(url: string, pool: Pool): Dispatcher {
    const key = `${pool} ${new URL(url).origin}`;
    const open = this.#open.get(key);
    if (open !== undefined) return open;
    const made = this.#make(url, pool);
    this.#open.set(key, made);
    return made;
  }

  #make(url: string, pool: Pool): Dispatcher {
    const { host, protocol } = new URL(url);
    const secure = protocol === "https:" ? tlsOptions(this.tls(host)) : {};
    const options = {
      connections: pool === "metadata" ? 1 : (this.#hosts[host]?.connections ?? TRANSFERS),
      headersTimeout: this.#idleMs,
      bodyTimeout: this.#idleMs,
      // Streams of many registries are slower, or broken, over HTTP/2 (docs/registries.md).
      allowH2: false,
    };
    const connect = { timeout: 10_000, ...secure };
    const proxy = proxyFor(url, this.#env);
    if (proxy === undefined) return new Agent({ ...options, connect });
    return new ProxyAgent({ ...options, uri: proxy, requestTls: connect, connect: { timeout: 10_000 } });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((dispatcher) => dispatcher.destroy()));
  }
}
