import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { idleGuarded } from "../src/idle.ts";

async function* endless(): AsyncGenerator<Uint8Array> {
  while (true) yield new Uint8Array(100_000);
}

test("a body that nobody reads yet is not idle: its request may wait for a connection", async () => {
  const { signal, end } = idleGuarded(endless(), 1, undefined);
  await delay(50);
  expect(signal?.aborted).toBe(false);
  end();
});

test("a body whose reader falls silent is", async () => {
  const { body, signal, end } = idleGuarded(endless(), 1, undefined);
  const aborted = new Promise<Event>((resolve) => signal?.addEventListener("abort", resolve));
  const reader = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  await reader.next();
  await aborted;
  expect(signal?.reason).toMatchObject({ code: "UND_ERR_IDLE" });
  await reader.return?.();
  end();
});
