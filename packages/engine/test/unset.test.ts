import { TsbuildError } from "@tsbuild/base";
import type { ImageConfig } from "@tsbuild/oci";
import { expect, test } from "vitest";
import type { ConfigRemoval } from "../src/api.ts";
import { keptLayers } from "../src/squash.ts";
import { unsetConfig } from "../src/unset.ts";

const image: ImageConfig = {
  os: "linux",
  architecture: "amd64",
  rootfs: { type: "layers", diff_ids: [] },
  history: [{ created_by: "base" }],
  config: {
    Env: ["PATH=/bin", "TOKEN=a=b"],
    Volumes: { "/data": {} },
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    Labels: { a: "1", b: "2" },
    Entrypoint: ["/e"],
    Cmd: ["c"],
    User: "me",
    WorkingDir: "/w",
    StopSignal: "SIGINT",
    Healthcheck: { Test: ["NONE"] },
  },
};

function failure(removals: readonly ConfigRemoval[]): TsbuildError {
  try {
    unsetConfig(image, removals);
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

test("fields and names go, tables that are empty then too, and the history says so", () => {
  const { config, history } = unsetConfig(image, [
    { field: "env", name: "TOKEN" },
    { field: "volume", name: "/data" },
    { field: "expose", name: "80" },
    { field: "label", name: "a" },
    ...(["entrypoint", "cmd", "user", "workdir", "healthcheck", "stopsignal"] as const).map((field) => ({
      field,
    })),
  ]);
  expect(config).toEqual({ Env: ["PATH=/bin"], ExposedPorts: { "53/udp": {} }, Labels: { b: "2" } });
  expect(history?.at(-1)).toEqual({
    created_by:
      "tsbuild build --unset env:TOKEN,volume:/data,expose:80,label:a,entrypoint,cmd,user,workdir,healthcheck,stopsignal",
    empty_layer: true,
  });
});

test("a name that is not there is an error with the nearest one; a field that is not set is none", () => {
  expect(failure([{ field: "env", name: "PAHT" }])).toMatchObject({
    code: "TSB_USAGE",
    message: "--unset env:PAHT: the image has no such environment variable",
    hint: expect.stringContaining("PATH"),
  });
  expect(failure([{ field: "expose", name: "53" }]).message).toContain("no such exposed port");
  expect(unsetConfig(image, [{ field: "shell" }]).config).toEqual(image.config);
});

test("layers that are not squashed: the base's, and those of the stages below", () => {
  const layers = (from: string) =>
    keptLayers(
      {
        image: {
          ...image,
          rootfs: { type: "layers", diff_ids: ["sha256:a" as never, "sha256:b" as never] },
          history: [
            { created_by: "base 1" },
            { created_by: "base 2" },
            { created_by: "ENV of the base", empty_layer: true },
            { created_by: "RUN of first" },
            { created_by: "ENV of first", empty_layer: true },
            { created_by: "RUN of second" },
          ],
        },
        stages: [
          { name: "first", index: 1, entriesBefore: 3 },
          { index: 4, entriesBefore: 5 },
        ],
      },
      from,
    );
  expect(layers("")).toBe(2);
  expect(layers("First")).toBe(2);
  expect(layers("4")).toBe(3);
  expect(() => layers("frist")).toThrow("not built on a stage of that name");
});
