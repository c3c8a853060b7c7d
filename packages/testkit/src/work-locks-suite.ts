import { setTimeout as delay } from "node:timers/promises";
import type { WorkLocks } from "@tsbuild/solver";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

/** Lock managers under test. Two of one harness share their locks, as two processes on one state folder do. */
export interface WorkLocksHarness {
  readonly locks: WorkLocks;
  /** Another view of the same locks. Left out by backends that cannot. */
  readonly reopen?: (() => WorkLocks | Promise<WorkLocks>) | undefined;
  readonly close?: (() => void | Promise<void>) | undefined;
}

/** Long enough for a wrongly granted lock to show, short enough for a test. */
const SHORT_MS = 30;

/** Whether a promise is settled within a short time. */
async function settles(promise: Promise<unknown>): Promise<boolean> {
  const settled = promise.then(
    () => true,
    () => true,
  );
  return await Promise.race([settled, delay(SHORT_MS, false)]);
}

/** What every `WorkLocks` promises. `factory` makes a fresh backend for each test. */
export function workLocksSuite(
  name: string,
  factory: () => WorkLocksHarness | Promise<WorkLocksHarness>,
): void {
  describe(`${name}: work locks`, () => {
    let harness: WorkLocksHarness;
    let locks: WorkLocks;
    const never = new AbortController().signal;
    beforeEach(async () => {
      harness = await factory();
      locks = harness.locks;
    });
    afterEach(() => harness.close?.());

    test("a free lock is granted, and again after its release", async () => {
      for (let turn = 0; turn < 3; turn++) (await locks.acquire("a", never)).release();
    });

    test("one holder at a time", async () => {
      const first = await locks.acquire("a", never);
      const waiting = locks.acquire("a", never);
      expect(await settles(waiting)).toBe(false);
      first.release();
      (await waiting).release();
    });

    test("other names do not wait", async () => {
      const first = await locks.acquire("a", never);
      const other = await locks.acquire("b", never);
      other.release();
      first.release();
    });

    test("names are told apart exactly", async () => {
      const names = ["sha256:aa", "sha256:aA", "sha256/aa", "../sha256:aa", "sha256:aa "];
      const held = await Promise.all(names.map((lockName) => locks.acquire(lockName, never)));
      for (const handle of held) handle.release();
    });

    test("many waiters each get their turn, never two at once", async () => {
      let inside = 0;
      let most = 0;
      let turns = 0;
      const work = async () => {
        const handle = await locks.acquire("a", never);
        most = Math.max(most, ++inside);
        await delay(1);
        inside--;
        turns++;
        handle.release();
      };
      await Promise.all(Array.from({ length: 20 }, work));
      expect({ most, turns }).toEqual({ most: 1, turns: 20 });
    });

    test("a waiter gives up on abort, and the lock still passes on", async () => {
      const first = await locks.acquire("a", never);
      const abort = new AbortController();
      const waiting = locks.acquire("a", abort.signal);
      const after = locks.acquire("a", never);
      abort.abort(new Error("stop"));
      await expect(waiting).rejects.toThrow();
      first.release();
      (await after).release();
    });

    test("an aborted signal is refused without taking the lock", async () => {
      await expect(locks.acquire("a", AbortSignal.abort(new Error("stop")))).rejects.toThrow();
      (await locks.acquire("a", never)).release();
    });

    test("an abort after the lock was granted changes nothing", async () => {
      const abort = new AbortController();
      const first = await locks.acquire("a", abort.signal);
      abort.abort();
      const waiting = locks.acquire("a", never);
      expect(await settles(waiting)).toBe(false);
      first.release();
      (await waiting).release();
    });

    test("views of one state folder exclude each other", async (context) => {
      if (harness.reopen === undefined) {
        context.skip("this backend has one view only");
        return;
      }
      const other = await harness.reopen();
      const first = await locks.acquire("a", never);
      const waiting = other.acquire("a", never);
      expect(await settles(waiting)).toBe(false);
      first.release();
      (await waiting).release();
    });
  });
}
