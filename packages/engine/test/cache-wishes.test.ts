import type { Vertex } from "@tsbuild/llb";
import { describe, expect, test } from "vitest";
import { uselessWishes } from "../src/cache-wishes.ts";

function vertex(name: string, type = "exec"): Vertex {
  return { metadata: { name }, op: { kind: { type } } } as unknown as Vertex;
}

const vertices = [
  vertex("[build 1/3] FROM debian", "source"),
  vertex("[build 2/3] RUN make all"),
  vertex("[linux/arm64 test 2/2] RUN make check"),
];

describe("wishes that mean no step", () => {
  test("stages by their name, whatever its case and platform; steps by a part of their text", () => {
    const wishes = { noCacheFilter: ["BUILD", "test"], noCacheSteps: ["make*all", "RUN"] };
    expect(uselessWishes(wishes, vertices)).toEqual([]);
  });

  test("what is mistyped is told, with what was likely meant", () => {
    const wishes = { noCacheFilter: ["biuld"], noCacheSteps: ["FROM debian"] };
    expect(uselessWishes(wishes, vertices)).toEqual([
      "--no-cache-filter biuld: this build has no step in such a stage; did you mean build?",
      "--no-cache-step FROM debian: no step of this build has this text",
    ]);
  });
});
