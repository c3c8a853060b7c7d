import { SecretMask } from "./mask.ts";

/** A secret of a build: its value, read once when the build starts. */
export interface Secret {
  readonly value: Uint8Array;
  /** A changed value re-runs the steps that mount it (W010); else the value has no part in any key. */
  readonly invalidate: boolean;
}

/** Who answers the requests of an ssh mount: an agent that listens on a socket, or private keys in files. */
export type AgentSource =
  | { readonly type: "socket"; readonly path: string }
  | { readonly type: "keys"; readonly files: readonly string[] };

/** Limits per step that change how it runs and not what comes out: no part of any key (C023). */
export interface StepResources {
  readonly memoryBytes?: number | undefined;
  /** Memory and swap together; -1: unlimited. Default: as much as `memoryBytes`, so no swap. */
  readonly memorySwapBytes?: number | undefined;
  readonly cpuShares?: number | undefined;
  readonly cpuPeriodUs?: number | undefined;
  readonly cpuQuotaUs?: number | undefined;
  /** Lists as the kernel has them: `0-2,7`. */
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
  readonly pids?: number | undefined;
}

/** What the caller of a build hands to its steps beside their inputs. */
export interface StepGrants {
  /** By id. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** By id; the id of a mount that says none is `default`. */
  readonly agents: ReadonlyMap<string, AgentSource>;
  readonly resources: StepResources;
  /** Hides the values of all secrets in the output of every step, also of those that mount none. */
  readonly mask: SecretMask;
}

/** A build that is given nothing. */
export const NO_GRANTS: StepGrants = {
  secrets: new Map(),
  agents: new Map(),
  resources: {},
  mask: new SecretMask([]),
};
