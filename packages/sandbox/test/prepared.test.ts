/** Supervisors that wait for steps: how many, and for how long. */
import { Socket } from "node:net";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { encodePlan } from "../src/plan-encode.ts";
import { type NewSupervisor, Prepared } from "../src/prepared.ts";
import type { FirstHalf } from "../src/split-plan.ts";

vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  availableParallelism: () => 3,
}));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function firstHalf(path: string): FirstHalf {
  const plan = { fds: [], stdio: "log", ops: [{ op: "adopt", path }, { op: "await" }] } as const;
  return { plan, bytes: encodePlan(plan), folders: [] };
}

function prepared() {
  const begun: [FirstHalf, number][] = [];
  const waiting: NewSupervisor[] = [];
  const begin = (ahead: FirstHalf, count: number): readonly NewSupervisor[] => {
    begun.push([ahead, count]);
    const made = Array.from({ length: count }, (): NewSupervisor => {
      return { control: new Socket(), socket: 0, pid: undefined, onEnd: () => undefined };
    });
    waiting.push(...made);
    return made;
  };
  return { begun, waiting, prepared: new Prepared({ begin, sendDescriptors: () => undefined }) };
}

it("steps that are told of together are begun together, those of one kind by one call; of the others, as many as there are other processors", () => {
  const { begun, prepared: one } = prepared();
  const [a, b] = [firstHalf("/a"), firstHalf("/b")];
  one.expect(a, 1);
  one.expect(a, 1);
  one.expect(b, 1);
  expect(begun).toEqual([
    [a, 1],
    [a, 1],
  ]);
  one.expect(b, 20);
  expect(begun.slice(2)).toEqual([[b, 14]]);
  one.close();
});

it("what is not taken for some seconds is ended, and nothing more is begun for it", () => {
  const { begun, waiting, prepared: one } = prepared();
  const ahead = firstHalf("/a");
  one.expect(ahead, 30);
  expect(waiting.length).toBe(16);
  vi.advanceTimersByTime(4_900);
  expect(waiting.some(({ control }) => control.destroyed)).toBe(false);
  vi.advanceTimersByTime(200);
  expect(waiting.every(({ control }) => control.destroyed)).toBe(true);
  one.fill();
  expect(begun.length).toBe(1);
  one.expect(ahead, 1);
  expect(begun[1]).toEqual([ahead, 1]);
  one.close();
});
