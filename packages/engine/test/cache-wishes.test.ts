import { describePragma, type Vertex } from "@tsbuild/llb";
import { describe, expect, test } from "vitest";
import { maxAgeOf, uselessWishes } from "../src/cache-wishes.ts";

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

describe("how old a result may be (V040)", () => {
  const HOUR = 3_600_000;
  const withTtl = (ttlMs: number): Vertex => {
    const step = vertex("[2/2] RUN make");
    return { ...step, metadata: { ...step.metadata, description: describePragma({ ttlMs }) } };
  };

  test("as the request says of every step, or its comment of one, whichever is less; sources have no age", () => {
    const [source, step] = vertices as [Vertex, Vertex];
    expect(maxAgeOf({}, step)).toBeUndefined();
    expect(maxAgeOf({ cacheTtlMs: HOUR }, step)).toEqual({ ms: HOUR, text: "older than 1h" });
    expect(maxAgeOf({ cacheTtlMs: HOUR }, source)).toBeUndefined();
    expect(maxAgeOf({ cacheTtlMs: HOUR }, withTtl(60_000))?.text).toBe("older than 1m");
    expect(maxAgeOf({ cacheTtlMs: HOUR }, withTtl(2 * HOUR))?.text).toBe("older than 1h");
    expect(maxAgeOf({}, withTtl(2 * HOUR))?.text).toBe("older than 2h");
  });
});
