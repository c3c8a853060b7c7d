import { statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { openAt, temporaryRoot } from "./world.ts";

const never = new AbortController().signal;

describe("work locks", () => {
  it("keep another process waiting until release", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const held = await one.locks.acquire("vertex", never);
    const order: string[] = [];
    const waiting = two.locks.acquire("vertex", never).then((lock) => {
      order.push("acquired");
      return lock;
    });
    await sleep(30);
    order.push("released");
    held.release();
    (await waiting).release();
    expect(order).toEqual(["released", "acquired"]);
  });

  it("do not wait for other names, whatever is in them", async () => {
    const root = temporaryRoot();
    const { locks } = openAt(root);
    const all = await Promise.all(
      ["a", "b", "../../etc/passwd", "", "x".repeat(5000)].map((n) => locks.acquire(n, never)),
    );
    expect(all).toHaveLength(5);
    for (const lock of all) lock.release();
    expect(statSync(`${root}/v1/work.lock`).size).toBe(0);
  });

  it("serve waiters of one process in their order", async () => {
    const { locks } = openAt(temporaryRoot());
    const order: number[] = [];
    const held = await locks.acquire("x", never);
    const waiters = Array.from({ length: 20 }, async (_, index) => {
      const lock = await locks.acquire("x", never);
      order.push(index);
      await sleep(0);
      lock.release();
    });
    held.release();
    await Promise.all(waiters);
    expect(order).toEqual(Array.from({ length: 20 }, (_, index) => index));
  });

  it("let nobody in twice, many processes or not", async () => {
    const root = temporaryRoot();
    const stores = [openAt(root), openAt(root), openAt(root)];
    let inside = 0;
    let most = 0;
    const work = async (index: number): Promise<void> => {
      const lock = await stores[index % 3]!.locks.acquire("x", never);
      inside += 1;
      most = Math.max(most, inside);
      await sleep(0);
      inside -= 1;
      lock.release();
    };
    await Promise.all(Array.from({ length: 30 }, (_, index) => work(index)));
    expect(most).toBe(1);
  });

  it("reject on abort, at the head and in the queue, and others go on", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const held = await one.locks.acquire("x", never);
    const stop = new AbortController();
    const head = two.locks.acquire("x", stop.signal);
    const queued = two.locks.acquire("x", stop.signal);
    const patient = two.locks.acquire("x", never);
    await sleep(5);
    stop.abort();
    await expect(head).rejects.toMatchObject({ code: "TSB_CANCELED" });
    await expect(queued).rejects.toMatchObject({ code: "TSB_CANCELED" });
    held.release();
    (await patient).release();
    await expect(two.locks.acquire("x", stop.signal)).rejects.toMatchObject({ code: "TSB_CANCELED" });
    (await one.locks.acquire("x", never)).release();
  });

  it("are released once", async () => {
    const root = temporaryRoot();
    const [one, two] = [openAt(root), openAt(root)];
    const first = await one.locks.acquire("x", never);
    first.release();
    const second = await two.locks.acquire("x", never);
    first.release();
    const stop = AbortSignal.timeout(30);
    await expect(one.locks.acquire("x", stop)).rejects.toMatchObject({ code: "TSB_CANCELED" });
    second.release();
  });
});
