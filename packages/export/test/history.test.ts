import type { HistoryEntry } from "@tsbuild/oci";
import { describe, expect, test } from "vitest";
import { createdOf, dateHistory } from "../src/history.ts";

const EMPTY = { empty_layer: true };

function entry(name: string, more: HistoryEntry = {}): HistoryEntry {
  return { created_by: name, ...more };
}

describe("dateHistory", () => {
  const base = entry("base", { created: "2020-01-01T00:00:00Z" });
  const layers = [
    { createdMs: 0 },
    { createdMs: Date.UTC(2021, 0, 1, 0, 0, 0, 250) },
    { createdMs: Date.UTC(2020, 5, 1) },
  ];

  function times(history: readonly HistoryEntry[], epochMs?: number): (string | undefined)[] {
    return dateHistory(history, layers, { epochMs }).map(({ created }) => created);
  }

  test("gives new entries the time of their layer, others that of the one before; never going back", () => {
    expect(times([base, entry("ENV", EMPTY), entry("RUN"), entry("CMD", EMPTY), entry("COPY")])).toEqual([
      "2020-01-01T00:00:00Z",
      "2020-01-01T00:00:00Z",
      "2021-01-01T00:00:00.250Z",
      "2021-01-01T00:00:00.250Z",
      "2021-01-01T00:00:00.250Z",
    ]);
  });

  test("cuts new times off at the epoch, and leaves the base's alone", () => {
    expect(times([base, entry("RUN"), entry("CMD", EMPTY)], Date.UTC(2000, 0, 1))).toEqual([
      "2020-01-01T00:00:00Z",
      "2000-01-01T00:00:00Z",
      "2000-01-01T00:00:00Z",
    ]);
  });
});

test("an image is as old as its last history entry", () => {
  const config = { architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } } as const;
  const created = "2020-01-01T00:00:00Z";
  const image = { ...config, rootfs: { type: "layers" as const, diff_ids: [] } };
  expect(createdOf(image, [entry("a", { created }), entry("b")], 0)).toBe(created);
  expect(createdOf({ ...image, created: "2019-01-01T00:00:00Z" }, [entry("a", { created })], 0)).toBe(
    "2019-01-01T00:00:00Z",
  );
  expect(createdOf(image, [], 0)).toBe("1970-01-01T00:00:00Z");
});
