import { closeSync, constants, openSync } from "node:fs";
import { digestHex, sha256 } from "@tsbuild/base";
import type { WorkLocks } from "@tsbuild/solver";
import { guarded } from "./failure.ts";
import type { Layout } from "./layout.ts";
import type { NativeCalls } from "./native.ts";
import { once } from "./once.ts";
import { canceled, poll } from "./waiting.ts";

/**
 * Locks by name on one file of a state folder: a name is one byte of it, locked in the kernel for as long as this descriptor is open. So a
 * lock takes one call and leaves nothing behind, however its holder ends.
 *
 * A byte is 52 bits of a digest of the name. Should two names ever share one, two processes wait for each other's work in turn, and within
 * one process one of the names is not kept from others.
 */
export class LockFile {
  readonly #layout: Layout;
  readonly #native: NativeCalls;
  #fd: number | undefined;

  constructor(layout: Layout, native: NativeCalls) {
    this.#layout = layout;
    this.#native = native;
  }

  /** False while another `LockFile`, of this process or another, has it. */
  tryLock(name: string): boolean {
    return guarded("lock a step", this.#layout.root, () =>
      this.#native.lockByte(this.#open(), byteOf(name), true),
    );
  }

  unlock(name: string): void {
    // Closed meanwhile: that has unlocked all.
    if (this.#fd !== undefined) this.#native.lockByte(this.#fd, byteOf(name), false);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    this.#fd ??= openSync(this.#layout.workLock, constants.O_RDWR | constants.O_CREAT, 0o600);
    return this.#fd;
  }
}

/** Of names that may hold anything, as many bits as a number keeps. */
function byteOf(name: string): number {
  return Number.parseInt(digestHex(sha256(name)).slice(0, 13), 16);
}

/** Within a process waiters queue up and only the first asks the kernel: turns are fair and a hundred waiting vertices do not poll. */
export class FileWorkLocks implements WorkLocks {
  readonly #file: LockFile;
  /** Per name that is held or about to be: who comes next, in the order in which they asked. */
  readonly #queues = new Map<string, (() => void)[]>();

  constructor(file: LockFile) {
    this.#file = file;
  }

  async acquire(name: string, signal: AbortSignal): Promise<{ release(): void }> {
    if (signal.aborted) throw canceled(signal);
    const queue = this.#queues.get(name);
    if (queue === undefined) this.#queues.set(name, []);
    else await waitTurn(queue, signal);
    try {
      if (!this.#file.tryLock(name)) await poll(() => this.#file.tryLock(name) || undefined, signal);
    } catch (error) {
      this.#passOn(name);
      throw error;
    }
    return { release: once(() => this.#release(name)) };
  }

  #release(name: string): void {
    this.#file.unlock(name);
    this.#passOn(name);
  }

  #passOn(name: string): void {
    const next = this.#queues.get(name)?.shift();
    if (next === undefined) this.#queues.delete(name);
    else next();
  }
}

function waitTurn(queue: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const turn = (): void => {
      signal.removeEventListener("abort", giveUp);
      resolve();
    };
    const giveUp = (): void => {
      queue.splice(queue.indexOf(turn), 1);
      reject(canceled(signal));
    };
    queue.push(turn);
    signal.addEventListener("abort", giveUp, { once: true });
  });
}
