import { describe, expect, test } from "vitest";
import { alignHistory, withAlignedHistory } from "../src/documents/align-history.ts";
import type { HistoryEntry, ImageConfig } from "../src/types.ts";

const EMPTY = { empty_layer: true };

function entry(name: string, more: HistoryEntry = {}): HistoryEntry {
  return { created_by: name, ...more };
}

function shape(history: readonly HistoryEntry[]): string[] {
  return history.map(({ created_by, empty_layer }) => `${created_by ?? "?"}${empty_layer ? " empty" : ""}`);
}

describe("alignHistory", () => {
  test("leaves a right history alone", () => {
    const history = [entry("a"), entry("b", EMPTY), entry("c")];
    expect(alignHistory(history, 2)).toEqual(history);
  });

  test.each([
    ["nothing is known of the base", [], 2, ["?", "?"]],
    ["entries are missing", [entry("a"), entry("b", EMPTY)], 3, ["a", "b empty", "?", "?"]],
    ["there are too many", [entry("a"), entry("b"), entry("c")], 1, ["a", "b empty", "c empty"]],
    ["there are no layers at all", [entry("a"), entry("b", EMPTY)], 0, ["a empty", "b empty"]],
  ])("makes as many entries as layers when %s", (_, history, layers, expected) => {
    expect(shape(alignHistory(history, layers))).toEqual(expected);
  });
});

test("a base's history is made to fit before anything is put on it", () => {
  const base = (history: readonly HistoryEntry[] | undefined, layers: number): ImageConfig => ({
    architecture: "amd64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: Array(layers).fill(`sha256:${"0".repeat(64)}`) },
    ...(history === undefined ? {} : { history: [...history] }),
  });
  const aligned = (history: readonly HistoryEntry[] | undefined, layers: number) =>
    shape(withAlignedHistory(base(history, layers)).history ?? []);
  expect(aligned([entry("a"), entry("b")], 1)).toEqual(["a", "b empty"]);
  expect(aligned([entry("a")], 2)).toEqual(["a", "?"]);
  expect(aligned(undefined, 1)).toEqual(["?"]);
  const right = base([entry("a"), entry("b", EMPTY)], 1);
  expect(withAlignedHistory(right)).toBe(right);
});
