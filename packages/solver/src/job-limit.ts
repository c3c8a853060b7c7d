/**
 * Runs work when one of a number of slots is free: of what waits then, the one with the lowest place. One limit may be given to several
 * solves. The work is told whether it has waited until another's ended.
 */
export type JobLimit = <T>(work: (waited: boolean) => Promise<T>, place: number) => Promise<T>;

interface Waiting {
  readonly place: number;
  /** Since all slots were taken when it asked. */
  waited: boolean;
  /** Settles when the work has ended; never rejects. */
  run(waited: boolean): Promise<void>;
}

/**
 * `jobs` slots, given in the order of the works' places, equal ones in the order in which they asked.
 *
 * Demand goes through a graph from its result: the last stage of a Dockerfile is asked for first. Were slots given in that order,
 * `COPY --from` of the first stage could not begin before the last stage has.
 */
export function jobLimit(jobs: number): JobLimit {
  const slots = new Slots(Math.max(1, jobs));
  return <T>(work: (waited: boolean) => Promise<T>, place: number) =>
    new Promise<T>((resolve, reject) => {
      slots.add({ place, waited: false, run: (waited) => work(waited).then(resolve, reject) });
    });
}

class Slots {
  #free: number;
  #isDue = false;
  readonly #queue = new PlaceQueue();
  /** Since the slots were given out last. */
  readonly #asked: Waiting[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  add(waiting: Waiting): void {
    if (this.#free === 0) waiting.waited = true;
    else this.#asked.push(waiting);
    this.#queue.add(waiting);
    this.#fillSoon();
  }

  /** Not at once: whoever becomes ready by the same event asks within this turn. */
  #fillSoon(): void {
    if (this.#isDue || this.#free === 0 || this.#queue.isEmpty) return;
    this.#isDue = true;
    setImmediate(this.#fill);
  }

  readonly #fill = (): void => {
    this.#isDue = false;
    while (this.#free > 0 && !this.#queue.isEmpty) {
      this.#free--;
      const next = this.#queue.take();
      void next.run(next.waited).then(this.#ended);
    }
    // What got no slot by now waits for one.
    for (const waiting of this.#asked.splice(0)) waiting.waited = true;
  };

  readonly #ended = (): void => {
    this.#free++;
    this.#fillSoon();
  };
}

class PlaceQueue {
  /** The lowest place last; of equal ones the first that came. */
  readonly #waiting: Waiting[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

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
