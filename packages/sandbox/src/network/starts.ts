import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { type ConnectedNetwork, connectNetwork } from "./connect.ts";
import type { NetworkProvider } from "./provider.ts";

export interface StartOptions {
  /** The native program. */
  readonly binary: string;
  readonly provider: NetworkProvider;
  /** Names a folder of its own, which does not exist yet. */
  readonly temporaryFolder: () => string;
  /** Remembers that the provider works, from one build to the next; see `isProven`. */
  readonly proofFile: string;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a proof is good for: this program since this boot. */
function proofOf({ name, program }: NetworkProvider): string {
  const { ino, size, mtimeNs } = statSync(program, { bigint: true });
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${name} ${program} ${ino} ${size} ${mtimeNs} ${boot}\n`;
}

/** Starts one provider, again and again, and knows whether it ever works on this machine. */
export class ProviderStarts {
  readonly #options: StartOptions;
  #isProven: boolean | undefined;
  #lastRetry: Promise<unknown> = Promise.resolve();
  #failure: string | undefined;

  constructor(options: StartOptions) {
    this.#options = options;
  }

  /** Why it is not started any more. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** It has connected a network since this machine's boot: so it will when a step that is running asks for one. */
  get isProven(): boolean {
    this.#isProven ??= this.#readProof() === proofOf(this.#options.provider);
    return this.#isProven;
  }

  /**
   * Connects a namespace, or one that it makes. On a loaded machine one start among many fails, and a step must not lose its isolation
   * by that: it is tried once more. Rejects with TSB_SANDBOX and what the provider said.
   */
  async connect(namespace?: string): Promise<ConnectedNetwork> {
    const network = await this.#start(namespace).catch(() => this.#startAgain(namespace));
    if (!this.isProven) this.#prove();
    return network;
  }

  #start(namespace: string | undefined): Promise<ConnectedNetwork> {
    const { binary, provider, temporaryFolder } = this.#options;
    return connectNetwork({ binary, provider, folder: join(temporaryFolder(), "network"), namespace });
  }

  /** Second starts come one after another; once one has failed as well, those behind it are not made: what failed twice fails again. */
  #startAgain(namespace: string | undefined): Promise<ConnectedNetwork> {
    const retry = this.#lastRetry.then(async () => {
      if (this.#failure !== undefined) throw new TsbuildError("TSB_SANDBOX", this.#failure);
      return this.#start(namespace).catch((error: unknown) => {
        this.#failure = `two starts failed: ${messageOf(error)}`;
        this.#disprove();
        throw new TsbuildError("TSB_SANDBOX", this.#failure, { cause: error });
      });
    });
    this.#lastRetry = retry.catch(() => undefined);
    return retry;
  }

  #readProof(): string | undefined {
    try {
      return readFileSync(this.#options.proofFile, "utf8");
    } catch (error) {
      if (errnoCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Half a proof, of a build that was killed or of two at once, is none. */
  #prove(): void {
    this.#isProven = true;
    writeFileSync(this.#options.proofFile, proofOf(this.#options.provider));
  }

  #disprove(): void {
    this.#isProven = false;
    rmSync(this.#options.proofFile, { force: true });
  }
}
