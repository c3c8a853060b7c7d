import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { DelayedWrite } from "../src/history/delayed-write.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const unexpected = (error: unknown): void => expect.unreachable(String(error));

test("many changes are one write, and those that come during a write are one more", async () => {
  const writes: PromiseWithResolvers<void>[] = [];
  const delayed = new DelayedWrite(() => {
    writes.push(Promise.withResolvers<void>());
    return writes.at(-1)!.promise;
  }, unexpected);
  for (let n = 0; n < 3; n++) delayed.changed();
  await vi.advanceTimersByTimeAsync(1000);
  expect(writes).toHaveLength(1);
  delayed.changed();
  await vi.advanceTimersByTimeAsync(1000);
  expect(writes).toHaveLength(1);
  writes[0]!.resolve();
  await vi.advanceTimersByTimeAsync(1000);
  expect(writes).toHaveLength(2);
  writes[1]!.resolve();
  await delayed.stop();
});

test("to stop is to wait for what is being written, and to write nothing more", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const write = vi.fn(() => promise);
  const delayed = new DelayedWrite(write, unexpected);
  delayed.changed();
  await vi.advanceTimersByTimeAsync(1000);
  delayed.changed();
  let isStopped = false;
  const stopping = delayed.stop().then(() => {
    isStopped = true;
  });
  await vi.advanceTimersByTimeAsync(1000);
  expect(isStopped).toBe(false);
  resolve();
  await stopping;
  await vi.advanceTimersByTimeAsync(1000);
  expect(write).toHaveBeenCalledTimes(1);
});

test("a failure is told, and the next change is written again", async () => {
  const failures: unknown[] = [];
  const write = vi.fn(() => Promise.reject(new Error("full")));
  const delayed = new DelayedWrite(write, (error) => failures.push(error));
  for (let n = 1; n <= 2; n++) {
    delayed.changed();
    await vi.advanceTimersByTimeAsync(1000);
    expect(failures).toHaveLength(n);
  }
});
