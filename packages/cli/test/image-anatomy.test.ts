import type { ImageAnatomy, ImageDifference, LocalImages } from "@tsbuild/engine";
import { expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { fakeWorld } from "./fake-io.ts";

const digest = `sha256:${"a".repeat(64)}` as ImageAnatomy["imageId"];
const anatomy: ImageAnatomy = {
  imageId: digest,
  name: "app",
  sizeBytes: 5_000_000,
  wastedBytes: 1_000_000,
  duplicateBytes: 2_000,
  layers: [
    {
      layer: 1,
      diffId: digest as string as ImageAnatomy["layers"][0]["diffId"],
      sizeBytes: 5_000_000,
      createdBy: `RUN \x1b[31m${"x".repeat(80)}`,
      files: 3,
      fileBytes: 4_000_000,
      wastedBytes: 1_000_000,
    },
  ],
  largest: [{ path: "/big\x1b]0;evil\x07", layer: 1, sizeBytes: 3_000_000 }],
  wasted: [{ path: "/tmp", by: 2, how: "deleted", layers: [1], files: 2, sizeBytes: 1_000_000 }],
  duplicates: [
    {
      sizeBytes: 500,
      wastedBytes: 2_000,
      places: ["a", "b", "c", "d", "e"].map((path) => ({ path: `/${path}`, layer: 1 })),
    },
  ],
};
const difference: ImageDifference = {
  from: "old",
  to: "app",
  added: 60,
  removed: 0,
  changed: 1,
  paths: [
    { path: "/new", type: "added", fromBytes: 0, toBytes: 10, files: 1 },
    { path: "/a", type: "changed", fromBytes: 10, toBytes: 4, what: ["content", "mode"] },
  ],
  config: [
    { field: "User", to: "me" },
    { field: "Cmd", from: "a", to: "b" },
    { field: "Env.X", from: "1" },
  ],
};

async function run(args: readonly string[], images: Partial<LocalImages>) {
  const world = fakeWorld({ localImages: images as LocalImages });
  const code = await runCli(args, world);
  return { code, stdout: world.stdout.text, stderr: world.stderr.text };
}

test("layers as text: no escape of an image reaches the terminal", async () => {
  const { stdout } = await run(["inspect", "--layers", "app"], { anatomy: async () => anatomy });
  expect(stdout).toBe(
    [
      "app: 5.00MB in 1 layer, 1.00MB of it deleted or replaced later, 2.00kB in duplicates",
      "LAYER    SIZE  FILES  WASTED  CREATED BY",
      `    1  5.00MB      3  1.00MB  RUN ${"x".repeat(55)}…`,
      "",
      "Largest files",
      "  SIZE  LAYER  PATH",
      "3.00MB      1  /big",
      "",
      "In a layer, and deleted or replaced by a later one",
      "  SIZE  FILES  LAYER  HOW           PATH",
      "1.00MB      2      1  deleted by 2  /tmp",
      "",
      "Duplicates",
      "WASTED  COPIES  PATH (LAYER)",
      "2.00kB       5  /a (1)  /b (1)  /c (1)  and 2 more",
      "",
    ].join("\n"),
  );
});

test("a difference as text and as JSON", async () => {
  const asked: string[] = [];
  const images: Partial<LocalImages> = {
    difference: async (image, other) => {
      asked.push(image, other);
      return difference;
    },
  };
  const { stdout } = await run(["image", "inspect", "--diff", "old", "app"], images);
  expect(asked).toEqual(["app", "old"]);
  expect(stdout).toBe(
    [
      "app against old: 60 added, 0 removed, 1 changed",
      "+  +10B  /new  1 file",
      "~   -6B  /a    content, mode",
      "… and 59 more (--format json)",
      "",
      "Config",
      "+ User: me",
      "~ Cmd: a → b",
      "- Env.X: 1",
      "",
    ].join("\n"),
  );
  const json = await run(["inspect", "--diff", "old", "--format", "json", "app"], images);
  expect(JSON.parse(json.stdout)).toEqual(difference);
  const template = await run(["inspect", "--diff", "old", "--format", "{{.X}}", "app"], images);
  expect(template).toMatchObject({ code: 2, stderr: expect.stringContaining("take no template") });
});

test("a bill of materials: what could not be read is a warning, and never among the document", async () => {
  const document = {
    packages: [
      { name: "a", licenseDeclared: "NOASSERTION", externalRefs: [{ referenceLocator: "pkg:npm/a@1" }] },
      { name: "image" },
    ],
  };
  const sbom = async () => ({ document, notes: ["/x: not read"] });
  const images = { sbom } as unknown as Partial<LocalImages>;
  const json = await run(["image", "sbom", "app"], images);
  expect(JSON.parse(json.stdout)).toEqual(document);
  expect(json.stderr).toBe("warning: /x: not read\n");
  const table = await run(["image", "sbom", "--format", "table", "app"], images);
  expect(table.stdout).toBe("NAME  VERSION  TYPE  LICENSE\na     -        npm   -\n");
});
