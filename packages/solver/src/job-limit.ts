import { setImmediate as turn } from "node:timers/promises";
import pLimit from "p-limit";

/**
 * Runs work when one of a number of slots is free: of what waits then, the one with the lowest place. One limit may be given to several
 * solves.
 */
export type JobLimit = <T>(work: () => Promise<T>, place: number) => Promise<T>;

interface Waiting {
  readonly place: number;
  /** Settles when the work has ended; never rejects. */
  run(): Promise<void>;
}

/**
 * `jobs` slots, given in the order of the works' places, equal ones in the order in which they asked.
 *
 * Demand goes through a graph from its result: the last stage of a Dockerfile is asked for first. Were slots given in that order,
 * `COPY --from` of the first stage could not begin before the last stage has.
 */
export function jobLimit(jobs: number): JobLimit {
  const limit = pLimit(Math.max(1, jobs));
  const queue = new PlaceQueue();
  return <T>(work: () => Promise<T>, place: number) => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    queue.add({ place, run: () => work().then(resolve, reject) });
    void limit(async () => {
      // Whoever becomes ready by the same event asks within this turn.
      await turn();
      await queue.take().run();
    });
    return promise;
  };
}

class PlaceQueue {
  /** The lowest place last; of equal ones the first that came. */
  readonly #waiting: Waiting[] = [];

  add(waiting: Waiting): void {
    let [low, high] = [0, this.#waiting.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#waiting[middle]!.place > waiting.place) low = middle + 1;
      else high = middle;
    }
    this.#waiting.splice(low, 0, waiting);
  }

  take(): Waiting {
    return this.#waiting.pop()!;
  }
}
