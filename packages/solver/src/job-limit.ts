import pLimit from "p-limit";

/** Runs work when one of a number of slots is free. One limit may be given to several solves. */
export type JobLimit = <T>(work: () => Promise<T>) => Promise<T>;

/** `jobs` slots, given in the order in which they were asked for. */
export function jobLimit(jobs: number): JobLimit {
  const limit = pLimit(Math.max(1, jobs));
  return (work) => limit(work);
}
