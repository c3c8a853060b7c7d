import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { whenQuiet } from "../src/idle.ts";

function beBusy(ms: number): void {
  const start = process.threadCpuUsage();
  for (let used = 0; used < ms * 1000; ) {
    const { user, system } = process.threadCpuUsage(start);
    used = user + system;
  }
}

test("a thread that only waits for its steps is told so, once", async () => {
  let called = 0;
  const watch = whenQuiet(() => called++);
  await pause(50);
  expect(called).toBe(0);
  for (let i = 0; i < 3; i++) watch.onRunning();
  // Each time that it looks, this thread has been busy.
  for (let i = 0; i < 10; i++) {
    beBusy(15);
    await pause(1);
  }
  expect(called).toBe(0);
  while (called === 0) await pause(1);
  watch.onRunning();
  await pause(50);
  expect(called).toBe(1);
  watch.stop();
});

test("nothing comes of one that is stopped", async () => {
  let called = 0;
  const watch = whenQuiet(() => called++);
  watch.onRunning();
  watch.stop();
  await pause(50);
  expect(called).toBe(0);
});
