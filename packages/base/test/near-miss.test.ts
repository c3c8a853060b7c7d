import { nearest, suggestion } from "@tsbuild/base";
import { expect, test } from "vitest";
import { editDistance } from "../src/near-miss.ts";

/** The whole table, as the definition has it. */
function plainDistance(a: string, b: string): number {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = 0; i <= a.length; i++)
    for (let j = 0; j <= b.length; j++) {
      if (i === 0 || j === 0) {
        table[i]![j] = i + j;
        continue;
      }
      const replaced = table[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(replaced, table[i - 1]![j]! + 1, table[i]![j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, table[i - 2]![j - 2]! + 1);
      table[i]![j] = cost;
    }
  return table[a.length]![b.length]!;
}

/** All words of the letters a and b up to a length. */
function words(length: number): string[] {
  if (length === 0) return [""];
  const shorter = words(length - 1);
  const longest = shorter.filter((word) => word.length === length - 1);
  return [...shorter, ...longest.flatMap((word) => [`${word}a`, `${word}b`])];
}

test("the band around the diagonal gives what the whole table gives", () => {
  const all = words(5);
  const wrong: unknown[] = [];
  for (const a of all)
    for (const b of all)
      for (const limit of [0, 1, 2]) {
        const distance = plainDistance(a, b);
        const expected = distance > limit ? Infinity : distance;
        if (editDistance(a, b, limit) !== expected) wrong.push([a, b, limit]);
      }
  expect(all).toHaveLength(63);
  expect(wrong).toEqual([]);
});

test("the nearest name, the first of equals, in any case", () => {
  expect(nearest("targt", ["type", "target", "tmpfs"])).toBe("target");
  expect(nearest("VERSON", ["version", "Version"])).toBe("version");
  expect(nearest("x", ["build"])).toBeUndefined();
  expect(nearest("build", [])).toBeUndefined();
  expect(suggestion("biuld", ["build"])).toBe("did you mean build?");
  expect(suggestion("zzz", ["build", "run"])).toBe("known: build, run");
});
