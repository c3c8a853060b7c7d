import { Agent, type Dispatcher, ProxyAgent } from "undici";
import { certificateFolders, readTls, type TlsSettings, tlsOptions } from "./certificates.ts";
import { DirectClient } from "./direct-client.ts";
import type { HostConfigs } from "./hosts.ts";
import { proxyFor } from "./proxies.ts";
import { Slots } from "./slots.ts";

/** Transfers may wait for each other; manifests and tokens must not wait for transfers (R006). */
export type Pool = "transfers" | "metadata";

const TRANSFERS = 4;
const CONNECT_MS = 10_000;

/** One set of connections per host and pool, each with the host's certificates, and through its proxy. */
export class Dispatchers {
  readonly #hosts: HostConfigs;
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #idleMs: number;
  readonly #folders: readonly string[];
  readonly #open = new Map<string, Dispatcher>();
  readonly #tls = new Map<string, TlsSettings>();
  readonly #direct = new Set<DirectClient>();
  readonly #slots = new Map<string, Slots>();

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

  /**
   * A connection for one large body, which its reader is done with piece by piece (see `DirectClient`), when there may be one more to the host; undefined
   * where there is a proxy, or somebody has said how many connections there may be at all.
   */
  async direct(url: string): Promise<Dispatcher | undefined> {
    const { host, origin } = new URL(url);
    if (this.#hosts[host]?.connections !== undefined || proxyFor(url, this.#env) !== undefined)
      return undefined;
    const slots = this.#slots.get(origin) ?? new Slots(TRANSFERS);
    this.#slots.set(origin, slots);
    await slots.take();
    const client = new DirectClient(origin, this.#directOptions(url), () => {
      this.#direct.delete(client);
      slots.give();
    });
    this.#direct.add(client);
    return client.dispatcher;
  }

  #directOptions(url: string): ConstructorParameters<typeof DirectClient>[1] {
    return { connect: { timeout: CONNECT_MS, ...this.#secure(url) }, idleMs: this.#idleMs };
  }

  #secure(url: string): ReturnType<typeof tlsOptions> | Record<string, never> {
    const { host, protocol } = new URL(url);
    return protocol === "https:" ? tlsOptions(this.tls(host)) : {};
  }

  #make(url: string, pool: Pool): Dispatcher {
    const { host } = new URL(url);
    const secure = this.#secure(url);
    const options = {
      connections: pool === "metadata" ? 1 : (this.#hosts[host]?.connections ?? TRANSFERS),
      headersTimeout: this.#idleMs,
      bodyTimeout: this.#idleMs,
      // Streams of many registries are slower, or broken, over HTTP/2 (docs/registries.md).
      allowH2: false,
    };
    const connect = { timeout: CONNECT_MS, ...secure };
    const proxy = proxyFor(url, this.#env);
    if (proxy === undefined) return new Agent({ ...options, connect });
    return new ProxyAgent({ ...options, uri: proxy, requestTls: connect, connect: { timeout: CONNECT_MS } });
  }

  async close(): Promise<void> {
    const direct = [...this.#direct].map((client) => client.close());
    await Promise.all([...direct, ...[...this.#open.values()].map((dispatcher) => dispatcher.destroy())]);
  }
}
