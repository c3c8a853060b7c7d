import type { BuildEvent } from "@tsbuild/base";
import type { RunningSolve } from "@tsbuild/solver";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Watchdog, watchdogSeconds } from "../src/watchdog.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function stuck(isWorking: () => boolean) {
  const end = Promise.withResolvers<never>();
  const running: RunningSolve = {
    result: end.promise,
    isWorking,
    describeWaiting: () => "a: locking, waits for b\nb: queued, waits for a job slot",
  };
  return { running, end: () => end.reject(new Error("ended")) };
}

function logged(events: readonly BuildEvent[]): string {
  return events
    .flatMap((event) => (event.type === "log" ? [Buffer.from(event.data).toString()] : []))
    .join("");
}

test("a build in which nothing happens says who waits for whom, ever more seldom", async () => {
  const events: BuildEvent[] = [];
  const { running, end } = stuck(() => false);
  const watching = new Watchdog(60, (event) => events.push(event)).watch(running);
  vi.advanceTimersByTime(59_000);
  expect(events).toEqual([]);
  vi.advanceTimersByTime(6_000);
  expect(logged(events)).toMatch(/^nothing has happened for 6\d s:\na: locking, waits for b\nb: queued/);
  vi.advanceTimersByTime(100_000);
  expect(logged(events).match(/nothing/g)).toHaveLength(1);
  end();
  await expect(watching).rejects.toThrow("ended");
  expect(vi.getTimerCount()).toBe(0);
});

test("a step that runs for long, and news, are no reason", async () => {
  const events: BuildEvent[] = [];
  const working = stuck(() => true);
  const busy = new Watchdog(60, (event) => events.push(event)).watch(working.running);
  const quiet = stuck(() => false);
  const dog = new Watchdog(60, (event) => events.push(event));
  const told = dog.watch(quiet.running);
  for (let minute = 0; minute < 4; minute++) {
    vi.advanceTimersByTime(50_000);
    dog.emit({ type: "warning", at: 0, message: "news" });
  }
  expect(logged(events)).toBe("");
  working.end();
  quiet.end();
  await Promise.allSettled([busy, told]);
});

test("TSBUILD_WATCHDOG", () => {
  expect([watchdogSeconds({}), watchdogSeconds({ TSBUILD_WATCHDOG: "0" })]).toEqual([60, 0]);
  expect(() => watchdogSeconds({ TSBUILD_WATCHDOG: "soon" })).toThrow('TSBUILD_WATCHDOG: "soon"');
});
