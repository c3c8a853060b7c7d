/** User namespaces that steps join at the end of their plan (native/sandbox/src/emulate.h): each held open by a small process. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface HeldNamespace {
  /** Descriptor of the user namespace. It has the ids of this one under the same numbers. */
  readonly userNamespace: number;
  close(): void;
}

/** Makes one in which `rules` of binfmt_misc hold. Rejects with what the kernel refused. */
export function holdNamespace(binary: string, rules: readonly string[]): Promise<HeldNamespace> {
  const child = spawn(binary, ["emulate", ...rules], { stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => reject(new Error(said.trim() || "it ended")));
    child.stdout.once("data", () => {
      try {
        resolve(held(child));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function held(child: ChildProcess): HeldNamespace {
  const userNamespace = openSync(`/proc/${child.pid}/ns/user`, "r");
  // It must not keep a process alive that has nothing else to do.
  child.unref();
  return {
    userNamespace,
    close: () => {
      closeSync(userNamespace);
      child.stdin?.end();
    },
  };
}

/**
 * Namespaces for steps that see each other's processes: whoever is in another one than a process can neither look into it nor trace it, whatever
 * its user (cap_ptrace_access_check). One that a step has left is as good as new for the next: no process is in it.
 */
export class SeparateNamespaces {
  readonly #binary: string;
  readonly #all: HeldNamespace[] = [];
  readonly #free: HeldNamespace[] = [];

  constructor(binary: string) {
    this.#binary = binary;
  }

  /** Runs a step in one that no other is in. Without one, if the kernel refuses: then `onRefused` hears why. */
  async use<T>(
    onRefused: (why: string) => void,
    step: (userNamespace: number | undefined) => Promise<T>,
  ): Promise<T> {
    const namespace = this.#free.pop() ?? (await this.#make(onRefused));
    try {
      return await step(namespace?.userNamespace);
    } finally {
      if (namespace !== undefined) this.#free.push(namespace);
    }
  }

  async #make(onRefused: (why: string) => void): Promise<HeldNamespace | undefined> {
    try {
      const made = await holdNamespace(this.#binary, []);
      this.#all.push(made);
      return made;
    } catch (error) {
      onRefused(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  close(): void {
    this.#free.length = 0;
    for (const namespace of this.#all.splice(0)) namespace.close();
  }
}
