import { TsbuildError } from "@tsbuild/base";
import type { ConnectedNetwork } from "./connect.ts";
import { findProvider, type NetworkProvider, type ProviderName, providerNames } from "./provider.ts";
import { ProviderStarts } from "./starts.ts";

/** Who connects the network of steps: the first provider there is, a certain one, or nobody (the host's network). */
export const networkChoices = ["auto", ...providerNames, "host"] as const;
export type NetworkChoice = (typeof networkChoices)[number];

/** A private network that one step has for itself until it gives it back. */
export interface PrivateNetwork {
  /** Descriptor of its namespace; absent: the step makes one, and `connect` connects it when the step wants it. */
  readonly fd?: number | undefined;
  readonly provider: ProviderName;
  /** Connects the namespace at a path, at most once; without `fd` only. Rejects with TSB_SANDBOX. */
  connect(namespace: string): Promise<void>;
  /** `reusable`: the step could not have changed interfaces, routes or filters (it had no CAP_NET_ADMIN). */
  release(options: { readonly reusable: boolean }): Promise<void>;
}

export interface NetworkPool {
  /**
   * A private network; or why steps have the host's network instead. Rejects with TSB_SANDBOX only when a certain provider was asked for
   * and cannot be had. `onDemand`: one that is not connected yet will do.
   */
  acquire(options: {
    readonly onDemand: boolean;
  }): Promise<PrivateNetwork | { readonly unavailable: string }>;
  /** What `acquire` will come to, as far as that can be told without starting anything: undefined where it cannot, or is a network that somebody has to connect first. */
  likely(options: { readonly onDemand: boolean }): "on-demand" | "host" | undefined;
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly binary: string;
  readonly choice: NetworkChoice;
  /** Names a folder of its own, which does not exist yet. */
  readonly temporaryFolder: () => string;
  /** Value of $PATH. */
  readonly path: string;
  /** Remembers between builds that the provider works. */
  readonly proofFile: string;
}

/**
 * Networks are kept for the next step once they are connected: starting a provider takes 12–25 ms, a step 8 ms. Steps that run
 * at the same time never share one, so their ports cannot clash.
 *
 * Where a provider is known to work, it is started only for steps that open a socket; where not, the first start decides
 * for all steps, as one that is running cannot change to the host's network any more.
 */
export function createNetworkPool(options: PoolOptions): NetworkPool {
  return new Pool(options);
}

class Pool implements NetworkPool {
  readonly #options: PoolOptions;
  readonly #idle: ConnectedNetwork[] = [];
  readonly #all = new Set<ConnectedNetwork>();
  #provider: NetworkProvider | string | undefined;
  #starts: ProviderStarts | undefined;
  #proof: Promise<unknown> | undefined;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  async acquire({ onDemand }: { readonly onDemand: boolean }): ReturnType<NetworkPool["acquire"]> {
    const chosen = this.#chosen();
    if (typeof chosen === "string") return this.#unavailable(chosen);
    const { provider, starts } = chosen;
    if (onDemand && !starts.isProven) await this.#proved(starts);
    if (starts.failure !== undefined) return this.#unavailable(starts.failure);
    const waiting = await this.#takeIdle();
    if (waiting !== undefined) return this.#lease(provider.name, waiting);
    if (onDemand && starts.isProven) return this.#leaseOnDemand(provider.name, starts);
    return this.#connect(starts).then(
      (network) => this.#lease(provider.name, network),
      (error: unknown) => this.#unavailable(error instanceof Error ? error.message : String(error)),
    );
  }

  likely({ onDemand }: { readonly onDemand: boolean }): "on-demand" | "host" | undefined {
    const chosen = this.#chosen();
    if (typeof chosen === "string" || chosen.starts.failure !== undefined) return "host";
    return onDemand && chosen.starts.isProven && this.#idle.length === 0 ? "on-demand" : undefined;
  }

  /** Who connects networks; a text says why nobody does. */
  #chosen(): { readonly provider: NetworkProvider; readonly starts: ProviderStarts } | string {
    this.#provider ??= chooseProvider(this.#options);
    const provider = this.#provider;
    if (typeof provider === "string") return provider;
    this.#starts ??= new ProviderStarts({ ...this.#options, provider });
    return { provider, starts: this.#starts };
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#all].map((network) => this.#drop(network)));
  }

  /** One start, whose network waits for the first step that comes; others wait for what it shows. */
  #proved(starts: ProviderStarts): Promise<unknown> {
    this.#proof ??= this.#connect(starts).then(
      (network) => this.#idle.push(network),
      /* It is in `starts.failure`. */
      () => undefined,
    );
    return this.#proof;
  }

  async #connect(starts: ProviderStarts, namespace?: string): Promise<ConnectedNetwork> {
    const network = await starts.connect(namespace);
    this.#all.add(network);
    return network;
  }

  #lease(provider: ProviderName, network: ConnectedNetwork): PrivateNetwork {
    return {
      fd: network.fd,
      provider,
      connect: async () => undefined,
      release: (options) => this.#takeBack(network, options),
    };
  }

  #leaseOnDemand(provider: ProviderName, starts: ProviderStarts): PrivateNetwork {
    let connecting: Promise<ConnectedNetwork | undefined> | undefined;
    return {
      provider,
      connect: async (namespace) => {
        const connected = this.#connect(starts, namespace);
        connecting = connected.catch(() => undefined);
        await connected;
      },
      release: async (options) => {
        const network = await connecting;
        if (network !== undefined) await this.#takeBack(network, options);
      },
    };
  }

  async #takeBack(network: ConnectedNetwork, { reusable }: { readonly reusable: boolean }): Promise<void> {
    if (reusable && !this.#closed && network.isAlive()) this.#idle.push(network);
    else await this.#drop(network);
  }

  async #drop(network: ConnectedNetwork): Promise<void> {
    if (this.#all.delete(network)) await network.close();
  }

  async #takeIdle(): Promise<ConnectedNetwork | undefined> {
    for (let network = this.#idle.pop(); network !== undefined; network = this.#idle.pop()) {
      if (network.isAlive()) return network;
      await this.#drop(network);
    }
    return undefined;
  }

  #unavailable(reason: string): { readonly unavailable: string } {
    const { choice } = this.#options;
    if (choice !== "auto" && choice !== "host") throw cannot(choice, reason);
    return { unavailable: reason };
  }
}

function chooseProvider({ choice, path }: PoolOptions): NetworkProvider | string {
  if (choice === "host") return "";
  return findProvider(choice === "auto" ? providerNames : [choice], { path });
}

function cannot(choice: string, reason: string): TsbuildError {
  return new TsbuildError("TSB_SANDBOX", `no private network with ${choice}: ${reason}`, {
    hint: "--network-provider=auto takes what there is, --network-provider=host the host's network",
  });
}
