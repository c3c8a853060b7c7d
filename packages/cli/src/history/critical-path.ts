import type { BuildRecord, StepRecord } from "@tsbuild/engine";

/** What a chain is looked for in. Times are milliseconds since the epoch. */
export interface ChainOptions<T> {
  inputsOf(step: T): readonly T[];
  startOf(step: T): number;
  endOf(step: T): number;
  /** It was ready before, and began when another step had ended (--jobs). */
  hasWaited(step: T): boolean;
}

/**
 * The chain of steps that the build's time is made of: from the step that ended last back to what it waited for last, and so on: the input that ended
 * last, or whatever step ended before it could begin. Making any other step faster would not have made the build faster. `ran`: without those from the
 * cache, which took no time; but one that was found there by its content had to wait for its inputs, so the chain leads through it.
 */
export function longestChain<T>(ran: readonly T[], options: ChainOptions<T>): ReadonlySet<T> {
  const { inputsOf, startOf, endOf, hasWaited } = options;
  const known = new Set(ran);
  const chain = new Set<T>();
  const last = (steps: readonly T[]) =>
    steps.reduce<T | undefined>(
      (latest, step) => (latest === undefined || endOf(step) > endOf(latest) ? step : latest),
      undefined,
    );
  const waitedFor = (step: T) =>
    hasWaited(step)
      ? ran.filter((other) => other !== step && endOf(other) <= startOf(step))
      : nearest(inputsOf(step), { known, inputsOf });
  for (let next = last(ran); next !== undefined && !chain.has(next); next = last(waitedFor(next)))
    chain.add(next);
  return chain;
}

/** The known ones among steps and, behind others, among their inputs. */
function nearest<T>(
  steps: readonly T[],
  { known, inputsOf }: { readonly known: ReadonlySet<T>; inputsOf(step: T): readonly T[] },
): readonly T[] {
  const seen = new Set<T>();
  const found: T[] = [];
  const pending = [...steps];
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    if (seen.has(step)) continue;
    seen.add(step);
    if (known.has(step)) found.push(step);
    else pending.push(...inputsOf(step));
  }
  return found;
}

/** Of a recorded build. Exporting has no inputs and is left out. `end`: of a step that did not end, in milliseconds since the epoch. */
export function criticalPath({ steps }: BuildRecord, end: number): ReadonlySet<StepRecord> {
  const byVertex = new Map<string, StepRecord>(steps.map((step) => [step.vertex, step]));
  return longestChain(
    steps.filter((step) => step.internal !== true && step.status !== "cached"),
    {
      inputsOf: ({ inputs }) => inputs.flatMap((vertex) => byVertex.get(vertex) ?? []),
      startOf: ({ startedAt }) => startedAt,
      endOf: ({ endedAt }) => endedAt ?? end,
      hasWaited: ({ waited }) => waited === true,
    },
  );
}
