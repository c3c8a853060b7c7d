import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GraphDump } from "@tsbuild/engine/debug";
import { afterAll, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { graphDot, graphMermaid } from "../src/graph/diagrams.ts";
import { graphTree } from "../src/graph/tree.ts";
import { fakeWorld } from "./fake-io.ts";

/** FROM a; COPY from the context and from the result of a RUN that mounts the context. */
const dump: GraphDump = {
  ops: [
    { op: "source", identifier: "docker-image://a" },
    { op: "source", identifier: "local://context", meta: { name: "load \x1b[31mcontext" } },
    {
      op: "exec",
      args: ["make", '"x"'],
      mounts: [
        { dest: "/", from: "0:0" },
        { dest: "/s", from: "1:0" },
      ],
    },
    {
      op: "file",
      actions: [
        { action: "copy", in: "0:0", in2: "1:0", dest: "/a" },
        { action: "copy", in: "action:0", in2: "2:0", dest: "/b" },
      ],
    },
  ],
  result: "3:0",
};

test("a tree: bases in line, other inputs as branches, each step once", () => {
  expect(graphTree(dump)).toBe(`#4 file   copy /a, copy /b
├─ copy: #2 source load context
├─ copy: #3 exec   make "x"
│  ├─ /s: #2 source load context  (above)
│  #1 source docker-image://a
#1 source docker-image://a  (above)
`);
  expect(graphTree({ ops: [], result: null })).toBe("the result is empty: nothing is done\n");
});

test("a tree of a long chain", () => {
  const ops = Array.from({ length: 20_000 }, (_, index) => ({
    op: "exec",
    args: ["x"],
    mounts: index === 0 ? [] : [{ dest: "/", from: `${index - 1}:0` }],
  }));
  expect(graphTree({ ops, result: "19999:0" }).split("\n")).toHaveLength(20_001);
});

test("mermaid: texts cannot end their quotes", () => {
  expect(graphMermaid(dump)).toBe(`flowchart TD
  s1["source: docker-image://a"]
  s2["source: load context"]
  s3["exec: make #34;x#34;"]
  s4["file: copy /a, copy /b"]
  s1 --> s3
  s2 -->|"/s"| s3
  s1 --> s4
  s2 -->|"copy"| s4
  s3 -->|"copy"| s4
`);
});

test("dot", () => {
  expect(graphDot(dump)).toContain('  s3 [shape=box, label="exec: make \\"x\\""];\n');
  expect(graphDot(dump)).toContain('  s2 -> s3 [label="/s"];\n  s1 -> s4;\n');
});

const folder = mkdtempSync(join(tmpdir(), "tsbuild-graph-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "Dockerfile");
writeFileSync(file, "FROM a AS one\nCOPY x y /\nFROM one\nARG V\nRUN $V\n");
writeFileSync(
  join(folder, "images.json"),
  JSON.stringify({
    "*": { error: "not here" },
    "docker.io/library/a": { image: { config: {}, rootfs: { diff_ids: ["sha256:1"] } } },
  }),
);

async function debug(...args: string[]) {
  const world = fakeWorld();
  const status = await runCli(["debug", ...args], world);
  return { status, out: world.stdout.text, err: world.stderr.text };
}

test("debug dump-ast", async () => {
  const { status, out } = await debug("dump-ast", "--json", file);
  expect(status).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    escape: "\\",
    stages: [{ base: "a", name: "one" }, { base: "one" }],
  });
});

test("debug dump-llb takes options, images and an ignore file", async () => {
  const images = ["--images", join(folder, "images.json")];
  const all = JSON.parse((await debug("dump-llb", ...images, "--opt", "build-arg:V=7", file)).out);
  expect(all.llb.ops.map(({ op }: { op: string }) => op)).toEqual(["source", "source", "file", "exec"]);
  expect(all.llb.ops[3].env).toContain("V=7");
  expect(all.image).toMatchObject({ architecture: "amd64" });
  writeFileSync(`${file}.dockerignore`, "y\n");
  const one = JSON.parse((await debug("dump-llb", ...images, "--opt=target=one", "--json", file)).out);
  expect(one.warnings.map(({ rule }: { rule: string }) => rule)).toEqual(["CopyIgnoredFile"]);
  const several = JSON.parse(
    (await debug("dump-llb", ...images, "--opt=platform=linux/amd64,linux/arm64", file)).out,
  );
  expect(several.map(({ image }: { image: { architecture: string } }) => image.architecture)).toEqual([
    "amd64",
    "arm64",
  ]);
});

test("debug: a refusal is data, wrong usage is none", async () => {
  const { status, out } = await debug("dump-llb", file);
  expect(status).toBe(0);
  expect(JSON.parse(out).error).toEqual({ error: expect.stringContaining("canned"), lines: [[1, 1]] });
  for (const args of [
    ["dump-ast"],
    ["dump-x", file],
    ["dump-ast", join(folder, "none")],
    ["dump-llb", "--images", file, file],
  ])
    expect((await debug(...args)).status, args.join(" ")).toBe(2);
});
