import { describe, expect, test } from "vitest";
import type { BuildRequest } from "../src/api.ts";
import { completeRequest } from "../src/complete-request.ts";
import { outputsPassOn } from "../src/pass-on.ts";

const push = { type: "registry", attrs: {} } as const;
const image = (attrs: Record<string, string>) => ({ type: "image", attrs }) as const;
const oci = (attrs: Record<string, string> = {}) => ({ type: "oci", dest: "a.tar", attrs }) as const;

const passesOn = (request: Partial<BuildRequest>): Promise<boolean> =>
  outputsPassOn(completeRequest({ ...request } as BuildRequest));

describe("layers may stay where they are", () => {
  test.each<[string, Partial<BuildRequest>]>([
    ["a push under the build's name", { tags: ["a"], outputs: [push] }],
    ["a push under its own name", { outputs: [image({ name: "a", push: "true" })] }],
    ["an archive, and a cache", { outputs: [oci(), { type: "cacheonly", attrs: {} }] }],
  ])("%s", async (_, request) => {
    expect(await passesOn(request)).toBe(true);
  });

  test.each<[string, Partial<BuildRequest>]>([
    ["the image is for this machine", { tags: ["a"] }],
    ["only a cache is filled", { outputs: [{ type: "cacheonly", attrs: {} }] }],
    ["a name is not pushed", { tags: ["a"], outputs: [{ ...push, attrs: { name: "b" } }] }],
    [
      "a name is kept, and the push has none",
      { tags: ["a"], outputs: [{ ...push, attrs: { "push-by-digest": "true" } }] },
    ],
    ["an image is not pushed", { outputs: [image({ name: "a" })] }],
    ["one output of two needs files", { outputs: [push, { type: "local", dest: "out", attrs: {} }] }],
    ["a container engine loads it", { outputs: [{ type: "docker", attrs: {} }] }],
    ["layers are to be compressed anew", { outputs: [oci({ "force-compression": "true" })] }],
    ["layers are to be dated", { outputs: [oci({ "rewrite-timestamp": "true" })] }],
    ["layers become one", { outputs: [push], squash: "all" }],
    ["times are cut off", { outputs: [push], reproducible: true }],
    ["the files are listed", { outputs: [push], attestations: [{ type: "sbom" }] as never }],
    ["what is kept has annotations", { tags: ["a"], outputs: [push], annotations: { "annotation.x": "y" } }],
  ])("not when %s", async (_, request) => {
    expect(await passesOn(request)).toBe(false);
  });
});
