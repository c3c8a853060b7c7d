import { describe, expect, test } from "vitest";
import { alignSteps } from "../src/align-steps.ts";

/** Steps as progress names them: `build: RUN make` is a step of stage `build`. */
function named(...steps: readonly string[]): string[] {
  const stages = Map.groupBy(steps, (step) => stageOf(step));
  const seen = new Map<string, number>();
  return steps.map((step) => {
    const stage = stageOf(step);
    const number = (seen.get(stage) ?? 0) + 1;
    seen.set(stage, number);
    const label = stage === "" ? "" : `${stage} `;
    return `[${label}${number}/${stages.get(stage)?.length}] ${step.slice(stage === "" ? 0 : stage.length + 2)}`;
  });
}

function stageOf(step: string): string {
  return /^([a-z]+): /.exec(step)?.[1] ?? "";
}

function aligned(before: readonly string[], now: readonly string[]): Record<string, string | undefined> {
  const pairs = alignSteps(named(...before), named(...now));
  return Object.fromEntries(
    now.map((step, index) => {
      const old = pairs.get(index);
      return [step, old === undefined ? undefined : before[old]];
    }),
  );
}

describe("alignSteps", () => {
  const steps = ["FROM debian", "RUN make", "COPY . .", "RUN test"];

  test("equal lists step by step", () => {
    expect(aligned(steps, steps)).toEqual(Object.fromEntries(steps.map((step) => [step, step])));
  });

  test("around steps put in and taken out, whose numbers change", () => {
    expect(aligned(steps, ["FROM debian", "RUN setup", "RUN make", "COPY . .", "RUN test"])).toEqual({
      "FROM debian": "FROM debian",
      "RUN setup": undefined,
      "RUN make": "RUN make",
      "COPY . .": "COPY . .",
      "RUN test": "RUN test",
    });
    expect(aligned(steps, ["FROM debian", "RUN test"])).toEqual({
      "FROM debian": "FROM debian",
      "RUN test": "RUN test",
    });
  });

  test("takes an instruction of the same kind in the same place for the edited one", () => {
    const now = ["FROM debian@2", "RUN make -j2", "COPY src .", "RUN test"];
    expect(aligned(steps, now)).toEqual({
      "FROM debian@2": "FROM debian",
      "RUN make -j2": "RUN make",
      "COPY src .": "COPY . .",
      "RUN test": "RUN test",
    });
  });

  test("does not take another kind of instruction for it", () => {
    expect(aligned(["FROM a", "RUN x"], ["FROM a", "COPY y /"])).toEqual({
      "FROM a": "FROM a",
      "COPY y /": undefined,
    });
  });

  test("keeps stages apart, and follows a renamed one", () => {
    const before = ["build: FROM gcc", "build: RUN make", "final: FROM scratch", "final: RUN make"];
    const now = ["compile: FROM gcc", "compile: RUN make", "final: FROM scratch", "final: RUN make"];
    expect(aligned(before, now)).toEqual(Object.fromEntries(now.map((step, index) => [step, before[index]])));
  });

  test("of thousands of steps takes what it can tell by kind and order", () => {
    const many = Array.from({ length: 3000 }, (_, index) => `RUN step ${index}`);
    const pairs = alignSteps(named(...many), named(...many));
    expect(pairs.size).toBe(3000);
  });

  test("names every edit of a random list", () => {
    let state = 7;
    const random = (max: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % max;
    };
    for (let round = 0; round < 300; round++) {
      const before = Array.from({ length: 2 + random(8) }, (_, index) => `RUN step ${index}`);
      const at = random(before.length);
      const edited = before.with(at, `RUN edited ${round}`);
      expect(aligned(before, edited)).toEqual(
        Object.fromEntries(edited.map((step, index) => [step, before[index]])),
      );
      const inserted = before.toSpliced(at, 0, `RUN new ${round}`);
      const found = aligned(before, inserted);
      expect(found[`RUN new ${round}`]).toBeUndefined();
      for (const step of before) expect(found[step]).toBe(step);
    }
  });
});
