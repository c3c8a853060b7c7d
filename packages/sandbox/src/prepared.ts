/** Supervisors that have performed what all steps have alike before their step is known (see SplitPlan). */
import { availableParallelism } from "node:os";
import { encodePlan, PLAN_HEADER_BYTES, type SandboxPlan } from "./plan-encode.ts";
import { type FirstHalf, REST_BYTES_MAX, type SplitPlan, splitPlan } from "./split-plan.ts";
import type { Supervisor } from "./supervisor.ts";

/** A supervisor without a plan, and the number of its socket. */
export interface NewSupervisor extends Omit<Supervisor, "performs"> {
  readonly socket: number;
}

export interface PreparedCalls {
  /** Starts one without descriptors; throws when that cannot be. */
  start(): NewSupervisor;
  sendDescriptors(socket: number, bytes: Uint8Array, fds: readonly number[]): void;
}

interface Waiting {
  readonly supervisor: NewSupervisor;
  readonly ahead: FirstHalf;
}

/** It has said nothing and is there: a first half that failed tells so, and its end closes the socket. */
function isWell({ control }: NewSupervisor): boolean {
  return !control.destroyed && control.readableLength === 0 && control.writableLength === 0;
}

/**
 * So many are made ready at a time, one of them while this thread makes the root of the step that takes it. More than there are other processors
 * would take this thread's from it: sixteen at once cost a build of sixteen steps more than they gave.
 */
const READY = Math.min(Math.max(availableParallelism() - 1, 1), 8);

export class Prepared {
  readonly #calls: PreparedCalls;
  /** First halves of steps that are yet to be started, in their order. */
  #expected: FirstHalf[] = [];
  #waiting: Waiting[] = [];

  constructor(calls: PreparedCalls) {
    this.#calls = calls;
  }

  /** A step that begins so will be started soon; `fill` begins with it. */
  expect(ahead: FirstHalf): void {
    this.#expected.push(ahead);
  }

  /** One that has begun with this very plan, which has the rest of it now; undefined: there is none. */
  take(plan: SandboxPlan): Supervisor | undefined {
    if (this.#waiting.length === 0) return undefined;
    const split = splitPlan(plan);
    const taken = split === undefined ? undefined : this.#takeLike(split.ahead);
    return taken === undefined || split === undefined ? undefined : this.#give(taken, split);
  }

  /** Begins with what is expected, as far as there is room. Throws what `start` does. */
  fill(): void {
    while (this.#waiting.length < READY) {
      const ahead = this.#expected.shift();
      if (ahead === undefined) return;
      this.#waiting.push({ supervisor: this.#begin(ahead), ahead });
    }
  }

  #begin(ahead: FirstHalf): NewSupervisor {
    const supervisor = this.#calls.start();
    const { control } = supervisor;
    control.on("error", () => control.destroy());
    /* Until it is taken, this process need not wait for it. */
    control.unref();
    control.write(ahead.bytes);
    return supervisor;
  }

  /** Of a step that comes before its turn, none is made ready any more; one that nobody has expected so shows that the first that waits will not come. */
  #takeLike(ahead: FirstHalf): NewSupervisor | undefined {
    const at = this.#waiting.findIndex((one) => one.ahead === ahead);
    if (at >= 0) return this.#waiting.splice(at, 1)[0]?.supervisor;
    const later = this.#expected.indexOf(ahead);
    if (later >= 0) this.#expected.splice(later, 1);
    else this.#waiting.shift()?.supervisor.control.destroy();
    return undefined;
  }

  #give(supervisor: NewSupervisor, { rest, whole }: SplitPlan): Supervisor | undefined {
    const { control, socket, pid, onEnd } = supervisor;
    const bytes = encodePlan(rest);
    if (!isWell(supervisor) || bytes.length > REST_BYTES_MAX) {
      control.destroy();
      return undefined;
    }
    try {
      this.#calls.sendDescriptors(socket, bytes.subarray(0, PLAN_HEADER_BYTES), rest.fds);
    } catch {
      /* It is killed, or too much is under way: the step is started as if it had not been expected. */
      control.destroy();
      return undefined;
    }
    control.ref();
    control.write(bytes.subarray(PLAN_HEADER_BYTES));
    return { control, pid, onEnd, performs: whole };
  }

  /** Ends those that wait. */
  close(): void {
    for (const { supervisor } of this.#waiting) supervisor.control.destroy();
    this.#waiting = [];
    this.#expected = [];
  }
}
