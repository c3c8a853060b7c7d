import { expect, test } from "vitest";
import { image, local, merge, scratch, stateOf } from "../src/index.ts";

const platform = { os: "linux", architecture: "amd64" };

test("a graph goes on as if it had been made in one", () => {
  const context = local("context", {});
  const base = () =>
    merge([
      image("docker.io/library/debian:latest", { platform }).run({ args: ["a"] }),
      context,
    ]).withPlatform(platform);
  const more = (state: ReturnType<typeof base>) =>
    state.run({ args: ["b"], mounts: [{ dest: "/m", type: "bind", from: context, keep: true }], platform });
  const whole = more(base()).toGraph();
  const continued = more(stateOf(base().toGraph())).toGraph();
  expect(continued.result).toEqual(whole.result);
  expect(continued.vertices.map(({ digest }) => digest).sort()).toEqual(
    whole.vertices.map(({ digest }) => digest).sort(),
  );
});

test("scratch stays scratch", () => {
  expect(stateOf(scratch().toGraph()).toGraph()).toEqual({ vertices: [], result: null });
});
