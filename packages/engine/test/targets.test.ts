import { TsbuildError } from "@tsbuild/base";
import type { Compiled, CompiledPlatform } from "@tsbuild/frontend";
import { expect, test } from "vitest";
import type { BuildRequest } from "../src/api.ts";
import { type CompleteRequest, completeRequest } from "../src/complete-request.ts";
import { compileTargets, skippedStages } from "../src/targets.ts";

/** Each stage with those that it does not need. */
const SKIPPED: Readonly<Record<string, readonly string[]>> = {
  app: ["test", "docs", "lint"],
  test: ["docs", "lint", "app"],
  docs: ["test", "lint", "app"],
  lint: ["test", "app"],
};

const asked: string[] = [];

async function compileTarget(target = "app"): Promise<Compiled> {
  asked.push(target);
  const platform = { skippedStages: SKIPPED[target.toLowerCase()] } as unknown as CompiledPlatform;
  return { platforms: [platform], warnings: [], images: [], sourceTimes: [] };
}

const request = (more: Partial<BuildRequest>): CompleteRequest =>
  completeRequest({ context: { type: "none" }, tags: ["app:1"], squash: "", ...more });

async function targetsOf(more: Partial<BuildRequest>) {
  asked.length = 0;
  return compileTargets(request(more), compileTarget);
}

test("one target has everything, and the stages that it leaves out are known", async () => {
  const targets = await targetsOf({ outputs: [{ type: "tar", attrs: {} }] });
  expect(targets.map(({ name, isDelivered }) => [name, isDelivered])).toEqual([[undefined, true]]);
  expect(targets[0].request.outputs).toHaveLength(1);
  expect(skippedStages(targets)).toEqual(["test", "docs", "lint"]);
});

test("of several targets each has its outputs; names and what is done to the image are the first's", async () => {
  const targets = await targetsOf({
    target: "app",
    alsoTargets: ["test", "Docs"],
    outputs: [
      { type: "local", dest: "docs", target: "docs", attrs: {} },
      { type: "oci", dest: "x", attrs: {} },
    ],
  });
  expect(
    targets.map(({ name, isDelivered, request: { outputs, tags, squash } }) => ({
      ...{ name, isDelivered, tags, squash, types: outputs.map(({ type }) => type) },
    })),
  ).toEqual([
    { name: "app", isDelivered: true, tags: ["app:1"], squash: "", types: ["oci"] },
    { name: "Docs", isDelivered: true, tags: [], squash: undefined, types: ["local"] },
    { name: "test", isDelivered: false, tags: [], squash: undefined, types: [] },
  ]);
  expect(skippedStages(targets)).toEqual(["lint"]);
});

test("all stages: those that others need are not compiled for themselves, none twice", async () => {
  const targets = await targetsOf({ withStages: ["lint", "LINT"], allStages: true });
  expect(asked).toEqual(["app", "lint", "test"]);
  expect(skippedStages(targets)).toEqual([]);
});

test("an output of something that is not built", async () => {
  const outputs = [{ type: "local", dest: "x", target: "tset", attrs: {} }] as const;
  await expect(targetsOf({ target: "app", alsoTargets: ["test"], outputs })).rejects.toMatchObject({
    code: "TSB_USAGE",
    hint: expect.stringContaining("test"),
  });
  await expect(targetsOf({ outputs })).rejects.toBeInstanceOf(TsbuildError);
});
