import { EventEmitter } from "node:events";
import { TsbuildError } from "@tsbuild/base";
import { expect, test } from "vitest";
import { watchInterrupts } from "../src/interrupts.ts";

function watched() {
  const source = new EventEmitter();
  const exits: number[] = [];
  const interrupts = watchInterrupts(source as unknown as NodeJS.Process, (status) => exits.push(status));
  return { send: (name: string) => source.emit(name, name), source, exits, interrupts };
}

test("the first Ctrl-C cancels, the second ends at once (C046)", () => {
  const { send, exits, interrupts } = watched();
  expect([interrupts.signal.aborted, interrupts.status()]).toEqual([false, undefined]);
  send("SIGINT");
  expect(interrupts.signal.aborted).toBe(true);
  expect(interrupts.signal.reason).toBeInstanceOf(TsbuildError);
  expect(interrupts.signal.reason).toMatchObject({ code: "TSB_CANCELED" });
  expect([interrupts.status(), exits]).toEqual([130, []]);
  send("SIGINT");
  expect(exits).toEqual([130]);
});

test.each([
  ["SIGTERM", 143],
  ["SIGHUP", 129],
])("%s asks for status %i", (name, status) => {
  const { send, interrupts } = watched();
  send(name);
  expect([interrupts.signal.aborted, interrupts.status()]).toEqual([true, status]);
});

test("a broken pipe cancels, once, and is never a hard exit", () => {
  const { exits, interrupts } = watched();
  interrupts.brokenPipe();
  interrupts.brokenPipe();
  expect([interrupts.signal.aborted, interrupts.status(), exits]).toEqual([true, 141, []]);
});

test("Ctrl-C that was left to a command does nothing here; SIGTERM still does", () => {
  const { send, exits, interrupts } = watched();
  interrupts.leaveCtrlC();
  send("SIGINT");
  expect(interrupts.signal.aborted).toBe(false);
  send("SIGTERM");
  expect([interrupts.status(), exits]).toEqual([143, []]);
});

test("after stop nothing listens", () => {
  const { source, interrupts } = watched();
  interrupts.stop();
  expect(source.eventNames()).toEqual([]);
});
