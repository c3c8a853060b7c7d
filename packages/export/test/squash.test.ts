import { expect, test } from "vitest";
import { squashHistory } from "../src/squash.ts";

test("entries keep their times and lose their layers, but for those that stay; one more has the new layer", () => {
  const history = [
    { created: "2020-01-01T00:00:00Z", created_by: "base" },
    { created: "2021-01-01T00:00:00Z", created_by: "ENV", empty_layer: true },
    { created: "2022-01-01T00:00:00Z", created_by: "RUN a" },
    { created: "2023-01-01T00:00:00Z", created_by: "RUN b" },
    { created: "2023-01-01T00:00:00Z", created_by: "CMD", empty_layer: true },
  ];
  const squashed = squashHistory(history, { kept: 1, squashed: 2 });
  expect(squashed.map(({ created_by, empty_layer }) => [created_by, empty_layer ?? false])).toEqual([
    ["base", false],
    ["ENV", true],
    ["RUN a", true],
    ["RUN b", true],
    ["CMD", true],
    ["tsbuild build --squash", false],
  ]);
  expect(squashed.at(-1)).toMatchObject({ created: "2023-01-01T00:00:00Z", comment: "2 layers as one" });
  expect(squashed.filter(({ empty_layer }) => empty_layer !== true)).toHaveLength(2);
});
