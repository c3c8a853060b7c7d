import { join } from "node:path";
import { TsbuildError } from "@tsbuild/base";
import { type ConnectedNetwork, connectNetwork } from "./connect.ts";
import { findProvider, type NetworkProvider, type ProviderName, providerNames } from "./provider.ts";

/** Who connects the network of steps: the first provider there is, a certain one, or nobody (the host's network). */
export const networkChoices = ["auto", ...providerNames, "host"] as const;
export type NetworkChoice = (typeof networkChoices)[number];

/** A private network that one step has for itself until it gives it back. */
export interface PrivateNetwork {
  readonly fd: number;
  readonly provider: ProviderName;
  /** `reusable`: the step could not have changed interfaces, routes or filters (it had no CAP_NET_ADMIN). */
  release(options: { readonly reusable: boolean }): Promise<void>;
}

export interface NetworkPool {
  /**
   * A private network; or why steps have the host's network instead. Rejects with TSB_SANDBOX only when a certain provider was asked for
   * and cannot be had.
   */
  acquire(): Promise<PrivateNetwork | { readonly unavailable: string }>;
  close(): Promise<void>;
}

export interface PoolOptions {
  readonly binary: string;
  readonly choice: NetworkChoice;
  /** Names a folder of its own, which does not exist yet. */
  readonly temporaryFolder: () => string;
  /** Value of $PATH. */
  readonly path: string;
}

/**
 * Networks are made when a step needs one and kept for the next: starting a provider takes 12–25 ms, a step 8 ms. Steps that run
 * at the same time never share one, so their ports cannot clash.
 */
export function createNetworkPool(options: PoolOptions): NetworkPool {
  const idle: ConnectedNetwork[] = [];
  const all = new Set<ConnectedNetwork>();
  let provider: NetworkProvider | string | undefined;
  let closed = false;
  let lastRetry: Promise<unknown> = Promise.resolve();

  const connect = (chosen: NetworkProvider): Promise<ConnectedNetwork> =>
    connectNetwork({
      binary: options.binary,
      provider: chosen,
      folder: join(options.temporaryFolder(), "network"),
    });
  /*
   * On a loaded machine one start among many fails, and a step must not lose its isolation by that. Second starts come one
   * after another; once one has failed as well, those behind it are not made: what failed twice fails again.
   */
  const connectAgain = (chosen: NetworkProvider): Promise<ConnectedNetwork> => {
    const retry = lastRetry.then(async () => {
      if (typeof provider === "string") throw new TsbuildError("TSB_SANDBOX", provider);
      return connect(chosen).catch((error: unknown) => {
        provider = `two starts failed: ${error instanceof Error ? error.message : String(error)}`;
        throw new TsbuildError("TSB_SANDBOX", provider);
      });
    });
    lastRetry = retry.catch(() => undefined);
    return retry;
  };
  const drop = async (network: ConnectedNetwork): Promise<void> => {
    if (all.delete(network)) await network.close();
  };
  const takeIdle = async (): Promise<ConnectedNetwork | undefined> => {
    for (let network = idle.pop(); network !== undefined; network = idle.pop()) {
      if (network.isAlive()) return network;
      await drop(network);
    }
    return undefined;
  };
  const lease = (network: ConnectedNetwork, name: ProviderName): PrivateNetwork => ({
    fd: network.fd,
    provider: name,
    release: async ({ reusable }) => {
      if (reusable && !closed && network.isAlive()) idle.push(network);
      else await drop(network);
    },
  });
  const unavailable = (reason: string): { unavailable: string } => {
    if (options.choice !== "auto" && options.choice !== "host") throw cannot(options.choice, reason);
    return { unavailable: reason };
  };
  return {
    acquire: async () => {
      provider ??= chooseProvider(options);
      if (typeof provider === "string") return unavailable(provider);
      const chosen = provider;
      const waiting = await takeIdle();
      if (waiting !== undefined) return lease(waiting, chosen.name);
      try {
        const network = await connect(chosen).catch(() => connectAgain(chosen));
        all.add(network);
        return lease(network, chosen.name);
      } catch (error) {
        return unavailable(error instanceof Error ? error.message : String(error));
      }
    },
    close: async () => {
      closed = true;
      await Promise.all([...all].map(drop));
    },
  };
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
