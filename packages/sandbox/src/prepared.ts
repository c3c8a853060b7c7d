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
  /** Starts so many, which begin with the first half at once; throws when that cannot be. */
  begin(ahead: FirstHalf, count: number): readonly NewSupervisor[];
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

const OTHER_PROCESSORS = Math.max(availableParallelism() - 1, 0);

/**
 * So many are made ready at a time, one of them while this thread makes the root of the step that takes it. More than there are other processors
 * would take this thread's from it: sixteen at once cost a build of sixteen steps more than they gave.
 */
const READY = Math.min(Math.max(OTHER_PROCESSORS, 1), 8);

/**
 * And so many long before the first step, while this thread has other things to do and the other processors have none. Where these have, supervisors and
 * this thread share what is left: with sixteen for one processor, this thread stood still for 25 ms.
 */
const READY_EARLY = OTHER_PROCESSORS === 0 ? READY : Math.min(8 * OTHER_PROCESSORS, 16);

/** A socket takes that much, whatever is in it. */
const AT_ONCE_BYTES = 64 * 1024;

/** What is not taken by then is let go: the mounts of the machine that it was made among stay busy as long as it is there. */
const PATIENCE_MS = 5_000;

export class Prepared {
  readonly #calls: PreparedCalls;
  /** First halves of steps that are yet to be started, in their order. */
  #expected: FirstHalf[] = [];
  #waiting: Waiting[] = [];
  #patience: NodeJS.Timeout | undefined;

  constructor(calls: PreparedCalls) {
    this.#calls = calls;
  }

  /** So many steps that begin so will be started soon. Begins with them, as far as there is room. Throws what `begin` does. */
  expect(ahead: FirstHalf, count: number): void {
    for (let i = 0; i < count; i++) this.#expected.push(ahead);
    this.#fillTo(Math.max(READY, Math.min(count, READY_EARLY)));
  }

  /** One that has begun with this very plan, which has the rest of it now; undefined: there is none. */
  take(plan: SandboxPlan): Supervisor | undefined {
    if (this.#waiting.length === 0) return undefined;
    const split = splitPlan(plan);
    const taken = split === undefined ? undefined : this.#takeLike(split.ahead);
    return taken === undefined || split === undefined ? undefined : this.#give(taken, split);
  }

  /** Begins with what is expected, as far as there is room. Throws what `begin` does. */
  fill(): void {
    this.#fillTo(READY);
  }

  #fillTo(ready: number): void {
    while (this.#waiting.length < ready) {
      const [ahead] = this.#expected;
      if (ahead === undefined) break;
      const other = this.#expected.findIndex((one) => one !== ahead);
      const alike = other < 0 ? this.#expected.length : other;
      const count = Math.min(alike, ready - this.#waiting.length);
      this.#expected.splice(0, count);
      for (const supervisor of this.#begin(ahead, count)) this.#waiting.push({ supervisor, ahead });
    }
    this.#waitForSteps();
  }

  #begin(ahead: FirstHalf, count: number): readonly NewSupervisor[] {
    const supervisors = this.#calls.begin(ahead, count);
    for (const { control } of supervisors) {
      control.on("error", () => control.destroy());
      /* Until it is taken, this process need not wait for it. */
      control.unref();
    }
    return supervisors;
  }

  #waitForSteps(): void {
    if (this.#waiting.length === 0) return;
    if (this.#patience === undefined) this.#patience = setTimeout(() => this.close(), PATIENCE_MS).unref();
    else this.#patience.refresh();
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
    /* In one piece: each is a processor that changes hands. */
    const first = bytes.length > AT_ONCE_BYTES ? PLAN_HEADER_BYTES : bytes.length;
    if (!isWell(supervisor) || bytes.length > REST_BYTES_MAX) {
      control.destroy();
      return undefined;
    }
    try {
      this.#calls.sendDescriptors(socket, bytes.subarray(0, first), rest.fds);
    } catch {
      /* It is killed, or too much is under way: the step is started as if it had not been expected. */
      control.destroy();
      return undefined;
    }
    control.ref();
    if (first < bytes.length) control.write(bytes.subarray(first));
    return { control, pid, onEnd, performs: whole };
  }

  /** Ends those that wait. */
  close(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    for (const { supervisor } of this.#waiting) supervisor.control.destroy();
    this.#waiting = [];
    this.#expected = [];
  }
}
