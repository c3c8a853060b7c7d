import { setImmediate as immediate } from "node:timers/promises";
import type { BuildEvent } from "@tsbuild/base";
import { expect, test } from "vitest";
import { LaterEvents } from "../src/later-events.ts";

const event = (message: string): BuildEvent => ({ type: "warning", at: 0, message });

function told(events: readonly BuildEvent[]): string[] {
  return events.map((one) => (one.type === "warning" ? one.message : one.type));
}

test("events come in their order, after what this thread does now", async () => {
  const events: BuildEvent[] = [];
  const later = new LaterEvents((one) => events.push(one));
  later.emit(event("a"));
  await Promise.resolve();
  later.emit(event("b"));
  expect(told(events)).toEqual([]);
  await immediate();
  expect(told(events)).toEqual(["a", "b"]);
});

test("a flush tells all, and nothing twice", async () => {
  const events: BuildEvent[] = [];
  const later = new LaterEvents((one) => {
    events.push(one);
    /* What is told while another is handed on comes behind it. */
    if (told([one])[0] === "a") later.emit(event("c"));
  });
  later.emit(event("a"));
  later.emit(event("b"));
  later.flush();
  await immediate();
  expect(told(events)).toEqual(["a", "b", "c"]);
});

test("what a listener throws reaches who tells of the next event, and no event is told after it", async () => {
  const events: BuildEvent[] = [];
  const later = new LaterEvents((one) => {
    events.push(one);
    throw new Error("closed");
  });
  later.emit(event("a"));
  later.emit(event("b"));
  await immediate();
  expect(told(events)).toEqual(["a"]);
  expect(() => later.emit(event("c"))).toThrow("closed");
  expect(() => later.flush()).toThrow("closed");
  expect(told(events)).toEqual(["a"]);
});
