import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { VertexDigest } from "@tsbuild/base";
import type { Compiled, Inspection } from "@tsbuild/engine";
import { image, unmarshalDefinition } from "@tsbuild/llb";
import { afterAll, describe, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { fakeWorld } from "./fake-io.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-call-"));
afterAll(() => rmSync(folder, { recursive: true }));
const range = { start: 3, end: 4 };
const place = { ranges: [{ start: { line: 3 }, end: { line: 4 } }] };

const compiled = {
  platforms: [
    {
      platform: { os: "linux", architecture: "amd64" },
      graph: image("a", { platform: { os: "linux", architecture: "amd64" } }).toGraph(),
      image: {},
    },
  ],
  warnings: [],
  images: [],
} as unknown as Compiled;

const digest = (digit: string) => `sha256:${digit.repeat(64)}` as VertexDigest;

const inspection: Inspection = {
  file: "Dockerfile",
  text: "FROM a\n",
  check: async (options) => ({
    file: "Dockerfile",
    text: "FROM a\n",
    diagnostics: [
      { severity: "warning", rule: "UndefinedVar", message: String(options?.ownRules), ranges: [range] },
      { severity: "error", message: "wrong", ranges: [range] },
    ],
  }),
  outline: async () => ({
    name: "app",
    description: "the program",
    args: [
      { name: "V", value: "1", description: "its version", range },
      { name: "W", range },
    ],
    secrets: [{ name: "key", required: true, range }],
    ssh: [],
    cache: [{ id: "/c", range }],
  }),
  targets: async () => [
    { isDefault: false, base: "a", range },
    {
      name: "app",
      isDefault: true,
      base: "0",
      platform: "$BUILDPLATFORM",
      description: "the\nprogram",
      range,
    },
  ],
  compile: async () => compiled,
  plan: async () => ({
    steps: [
      {
        vertex: digest("1"),
        name: "[1/4] FROM a",
        verdict: "cached",
        durationMs: 2000,
        sizeBytes: 5_000_000,
      },
      {
        vertex: digest("2"),
        name: "[2/4] RUN make",
        verdict: "runs",
        reason: { kind: "arg", text: "ARG REV 1 → 2" },
        durationMs: 61_000,
        sizeBytes: 1200,
      },
      {
        vertex: digest("3"),
        name: "[3/4] RUN new",
        verdict: "runs",
        reason: { kind: "never-built", text: "never built here" },
      },
      { vertex: digest("4"), name: "[4/4] COPY --from", verdict: "unknown", dependsOn: ["[2/4] RUN make"] },
    ],
  }),
};

async function build(flag: string, options: { stdoutIsTTY?: boolean } = {}) {
  const world = fakeWorld({ ...options, inspection });
  const status = await runCli(["build", ...flag.split(" "), folder], world);
  return { status, out: world.stdout.text, err: world.stderr.text };
}

describe("build --call", () => {
  test("outline", async () => {
    expect(await build("--call=outline")).toEqual({
      status: 0,
      err: "",
      out: `TARGET: app
DESCRIPTION: the program

BUILD ARG   VALUE   DESCRIPTION
V           1       its version
W

SECRET   REQUIRED
key      true

CACHE MOUNT   LINE
/c            3

`,
    });
  });

  test("outline as JSON, in BuildKit's form", async () => {
    expect(JSON.parse((await build("--call outline,format=json")).out)).toEqual({
      name: "app",
      description: "the program",
      args: [
        { name: "V", value: "1", description: "its version", location: place },
        { name: "W", location: place },
      ],
      secrets: [{ name: "key", required: true, location: place }],
      cache: [{ ID: "/c", location: place }],
      sources: [Buffer.from("FROM a\n").toString("base64")],
    });
  });

  test("targets", async () => {
    expect((await build("--call=targets")).out).toBe(`TARGET          BASE   PLATFORM         DESCRIPTION
0               a
app (default)   0      $BUILDPLATFORM   the program
`);
    expect(JSON.parse((await build("--call=targets,format=json")).out).targets).toEqual([
      { base: "a", location: place },
      {
        name: "app",
        default: true,
        base: "0",
        platform: "$BUILDPLATFORM",
        description: "the\nprogram",
        location: place,
      },
    ]);
  });

  test.each(["--check", "--call=check", "--call=lint"])("%s: only rules that BuildKit has", async (flag) => {
    const { status, out } = await build(flag);
    expect([status, out]).toEqual([1, expect.stringContaining("WARNING UndefinedVar: false")]);
  });

  test("check as JSON; its status can be ignored", async () => {
    const { status, out } = await build("--call=check,format=json,ignorestatus=true");
    expect(status).toBe(0);
    expect(JSON.parse(out)).toEqual({
      warnings: [
        { ruleName: "UndefinedVar", description: expect.any(String), detail: "false", location: place },
      ],
      sources: [{ filename: "Dockerfile", language: "Dockerfile", data: expect.any(String) }],
      buildError: { message: "wrong", location: place },
    });
  });

  test("definition: BuildKit's protobuf, not to a terminal", async () => {
    const world = fakeWorld({ inspection });
    const chunks: Uint8Array[] = [];
    world.stdout._write = (chunk, _, done) => {
      chunks.push(chunk);
      done();
    };
    expect(await runCli(["build", "--print=definition", folder], world)).toBe(0);
    const graph = unmarshalDefinition(Buffer.concat(chunks));
    expect(graph.vertices.map(({ op }) => op.kind.type)).toEqual(["source"]);
    expect((await build("--print=definition", { stdoutIsTTY: true })).status).toBe(2);
  });

  test("plan", async () => {
    expect((await build("--call=plan")).out).toBe(`cached            5.00MB [1/4] FROM a
runs      61.0s   1.20kB [2/4] RUN make (ARG REV 1 → 2)
runs                     [3/4] RUN new (never built here; how long it takes is not known)
?                        [4/4] COPY --from (depends on what [2/4] RUN make makes)

1 cached, saving 2.0s; 2 to run; 1 not known yet; steps that run took 61.0s the last time
`);
    expect(JSON.parse((await build("--call=plan,format=json")).out).steps).toHaveLength(4);
  });

  test("build is a build; what is unknown is refused", async () => {
    const world = fakeWorld({ inspection });
    expect(await runCli(["build", "--call=build", "--progress=none", folder], world)).toBe(0);
    expect(world.engine.requests[0]!.outputs).toEqual([]);
    expect((await build("--call=plans")).err).toContain("build, check, outline, targets, plan, definition");
    expect((await build("--call=check,colour=red")).err).toContain('no option "colour=red"');
  });
});
