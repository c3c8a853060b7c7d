import type { BuildResult } from "@tsbuild/engine";
import { expect, test } from "vitest";
import { parseOutput } from "../src/flags/output.ts";
import { imageLines } from "../src/progress/report.ts";

const imageId = `sha256:${"a".repeat(64)}` as NonNullable<BuildResult["imageId"]>;
const result: BuildResult = { imageId, names: ["app"] };
const growth = { name: "app", bytes: 3_000_000, beforeBytes: 1_000_000 };

test("a summary says what an image grew by, and what was left out", () => {
  expect(imageLines(result)).toEqual([`image ${imageId}`, "named app"]);
  expect(imageLines({ ...result, growth, skippedStages: ["test", "d\x1b[2J"] })).toEqual([
    `image ${imageId}`,
    "named app",
    "size 3.00MB, 2.00MB more than before",
    "skipped test, d (--all-stages builds all)",
  ]);
  expect(imageLines({ ...result, growth: { ...growth, beforeBytes: 3_000_500 } })[2]).toBe(
    "size 3.00MB, 500B less than before",
  );
  expect(imageLines({ ...result, growth: { ...growth, beforeBytes: growth.bytes } })).toHaveLength(2);
  expect(imageLines({ names: [], skippedStages: ["a"] })).toEqual(["skipped a (--all-stages builds all)"]);
});

test("an output may be of one target", () => {
  expect(parseOutput("type=local,dest=out,target=docs")).toEqual({
    type: "local",
    dest: "out",
    target: "docs",
    attrs: {},
  });
});
