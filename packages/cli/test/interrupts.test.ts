import { EventEmitter } from "node:events";
import { TsbuildError } from "@tsbuild/base";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
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

describe("signals for a command", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function forwarding() {
    const world = watched();
    const sent: string[] = [];
    world.interrupts.forward((name) => sent.push(name));
    return { ...world, sent };
  }

  test("are passed on, and end nothing here", () => {
    const { send, sent, exits, interrupts } = forwarding();
    const names = ["SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"];
    names.forEach(send);
    expect([sent, interrupts.status(), interrupts.signal.aborted, exits]).toEqual([
      names,
      undefined,
      false,
      [],
    ]);
  });

  test("a second SIGTERM or SIGINT within seconds kills it; a third ends this process", () => {
    const { send, sent, exits, interrupts } = forwarding();
    send("SIGINT");
    send("SIGTERM");
    expect([sent, interrupts.status(), interrupts.signal.aborted]).toEqual([
      ["SIGINT", "SIGTERM"],
      137,
      true,
    ]);
    send("SIGTERM");
    expect([sent.length, exits]).toEqual([2, [143]]);
  });

  test("Ctrl-C now and again is the command's business", () => {
    const { send, interrupts } = forwarding();
    send("SIGINT");
    vi.advanceTimersByTime(4000);
    send("SIGINT");
    expect(interrupts.signal.aborted).toBe(false);
  });

  test("a while after SIGTERM it is killed", () => {
    const { send, interrupts } = forwarding();
    send("SIGTERM");
    vi.advanceTimersByTime(9_999);
    expect(interrupts.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(interrupts.status()).toBe(137);
  });
});

test("after stop nothing listens", () => {
  const { source, interrupts } = watched();
  interrupts.forward(() => undefined);
  interrupts.stop();
  expect(source.eventNames()).toEqual([]);
});
