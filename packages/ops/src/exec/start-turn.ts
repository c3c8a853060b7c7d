import type { Store } from "@tsbuild/store";

const last = new WeakMap<Store, Promise<void>>();

/**
 * Waits until the step before has been started; resolves with what lets the next one begin, which may be called again.
 *
 * What leads to a step's start is a few milliseconds of this thread in small pieces. Side by side, the first of sixteen steps would start when
 * all of them are as good as ready, and the other processors had nothing to do until then; one after the other, the first runs while the second
 * is prepared. Whoever has the turn must not wait for the end of another step.
 */
export async function startTurn(store: Store): Promise<() => void> {
  const before = last.get(store);
  const { promise, resolve } = Promise.withResolvers<void>();
  last.set(store, promise);
  await before;
  return resolve;
}
