import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { TsbuildError } from "@tsbuild/base";
import type { BuildRequest } from "@tsbuild/engine";
import { describe, expect, test } from "vitest";
import { commandSpecs } from "../src/flags/commands.ts";
import { commandHelp } from "../src/flags/help.ts";
import { inputBytes } from "../src/io.ts";
import { hasColors, progressMode } from "../src/progress/mode.ts";
import { digest, on } from "./events.ts";
import { FakeStream } from "./fake-io.ts";
import { cli, contextFolder, imageId } from "./run-fake.ts";

const folder = contextFolder();

async function request(...args: string[]): Promise<BuildRequest> {
  const world = await cli(["build", "--progress=none", ...args]);
  expect(world.stderr.text).toBe("");
  return world.engine.requests[0]!;
}

describe("build: flags become a request", () => {
  test("with nothing said", async () => {
    expect(await request(folder)).toEqual({
      context: { type: "folder", path: folder },
      dockerfile: undefined,
      tags: [],
      target: undefined,
      alsoTargets: [],
      withStages: [],
      allStages: false,
      buildArgs: {},
      buildContexts: {},
      labels: {},
      annotations: {},
      attestations: [],
      unset: [],
      squash: undefined,
      platforms: [],
      noCache: false,
      noCacheFilter: [],
      failureOutputs: [],
      noCacheSteps: [],
      pull: false,
      reproducible: false,
      noIgnore: false,
      offline: false,
      sourcePolicy: undefined,
      lock: undefined,
      outputs: [],
      cacheFrom: [],
      cacheTo: [],
      network: "default",
      addHosts: [],
      secrets: {},
      ssh: {},
      allow: [],
      ulimits: [],
      shmSizeBytes: undefined,
      cgroupParent: undefined,
      resources: {},
      jobs: undefined,
      iidFile: undefined,
      metadataFile: undefined,
    });
  });

  test("with everything said", async () => {
    const line = `-t a -t b:c -f other/Dockerfile --target t --build-arg X=1 --build-arg HOME --label l=v --label bare
      --annotation k=v --annotation index,manifest[linux/arm64]:a.b=c --annotation urn:x=y --provenance=mode=max --attest type=sbom,generator=me
      --platform linux/amd64,linux/arm64 --no-cache --no-cache-filter s1,s2 --pull -o type=oci,dest=x --network none
      --add-host db:1.2.3.4 --secret id=s,src=f --ssh a=${folder} --allow network.host,security.insecure --ulimit nproc=5
      --shm-size 1m --cgroup-parent /g --resource memory=1g,pids=7 -m 2g --cpu-shares 512 --jobs 3 --iidfile iid --metadata-file meta --push --load --unset env:X,cmd --unset user --squash=s --target u --with-stage w --all-stages
      --cache-ttl 36h --context-mode normalize`;
    expect(await request(...line.split(/\s+/), folder)).toEqual({
      context: { type: "folder", path: folder },
      dockerfile: "other/Dockerfile",
      tags: ["a", "b:c"],
      target: "t",
      alsoTargets: ["u"],
      withStages: ["w"],
      allStages: true,
      buildArgs: { X: "1", HOME: undefined },
      buildContexts: {},
      labels: { l: "v", bare: "" },
      annotations: {
        "annotation.k": "v",
        "annotation-index.a.b": "c",
        "annotation-manifest[linux/arm64].a.b": "c",
        "annotation.urn:x": "y",
      },
      unset: [{ field: "env", name: "X" }, { field: "cmd" }, { field: "user" }],
      squash: "s",
      attestations: [
        { type: "sbom", attrs: { generator: "me" } },
        { type: "provenance", attrs: { mode: "max" } },
      ],
      platforms: [
        { os: "linux", architecture: "amd64" },
        { os: "linux", architecture: "arm64" },
      ],
      noCache: true,
      noCacheFilter: ["s1", "s2"],
      failureOutputs: [],
      noCacheSteps: [],
      cacheTtlMs: 36 * 3_600_000,
      contextMode: "normalize",
      pull: true,
      reproducible: false,
      noIgnore: false,
      offline: false,
      sourcePolicy: undefined,
      lock: undefined,
      outputs: [
        { type: "oci", dest: "x", attrs: {} },
        { type: "registry", attrs: {} },
        { type: "docker", attrs: {} },
      ],
      cacheFrom: [],
      cacheTo: [],
      network: "none",
      addHosts: [{ host: "db", ip: "1.2.3.4" }],
      secrets: { s: { source: { type: "file", path: "f" }, invalidate: false } },
      ssh: { a: { type: "keys", files: [folder] } },
      allow: ["network.host", "security.insecure"],
      ulimits: [{ name: "nproc", soft: 5, hard: 5 }],
      shmSizeBytes: 1_048_576,
      cgroupParent: "/g",
      resources: { memoryBytes: 2 ** 31, pids: 7, cpuShares: 512 },
      jobs: 3,
      iidFile: "iid",
      metadataFile: "meta",
    });
  });

  test("a build argument cannot reach the prototype of objects", async () => {
    const { buildArgs } = await request("--build-arg", "__proto__=x", folder);
    expect(Object.entries(buildArgs ?? {})).toEqual([["__proto__", "x"]]);
  });

  test("a Dockerfile from standard input (-f -)", async () => {
    const world = await cli(["build", "-f", "-", "--progress=none", folder], { stdin: "FROM scratch\n" });
    expect(world.engine.requests[0]).toMatchObject({ dockerfileText: "FROM scratch\n" });
    expect(world.engine.requests[0]).not.toHaveProperty("dockerfile");
  });

  test("a context from standard input", async () => {
    const world = await cli(["build", "--progress=none", "-"], { stdin: "tar" });
    const { context } = world.engine.requests[0]!;
    if (context.type !== "stream") throw new Error(`context is ${context.type}`);
    expect(Buffer.concat(await Array.fromAsync(context.stream)).toString()).toBe("tar");
  });

  test("C054: $DOCKER_DEFAULT_PLATFORM, unless the flag says else; --root goes to the engine", async () => {
    const env = { DOCKER_DEFAULT_PLATFORM: "linux/arm64" };
    const args = ["--root", "/state", "build", "--progress=none", folder];
    const fromEnv = await cli(args, { env });
    expect(fromEnv.engine.requests[0]!.platforms).toEqual([{ os: "linux", architecture: "arm64" }]);
    expect(fromEnv.roots).toEqual(["/state"]);
    const flag = await cli([...args, "--platform", "linux/amd64"], { env });
    expect(flag.engine.requests[0]!.platforms).toEqual([{ os: "linux", architecture: "amd64" }]);
  });
});

describe("build: wrong usage is status 2 and opens no engine", () => {
  test.each([
    [["build"], "needs one context"],
    [["build", folder, "more"], "surplus: more"],
    [["build", "--nope", folder], "unknown flag --nope"],
    [["build", "-", "-f", "-"], "cannot both come from standard input"],
    [["build", "-o", "type=zip", folder], 'unknown type "zip"'],
    [["build", "--progress=loud", folder], '--progress: unknown value "loud"'],
    [["build", "--jobs=0", folder], "--jobs"],
    [["build", "--network=bridge", folder], "--network"],
    [["biuld"], 'unknown command "biuld"\nhint: did you mean tsbuild build?'],
    [["--frob"], 'unknown flag "--frob"'],
    [["import"], "import takes an archive and a name"],
    [["import", "x", "y", "z"], "import takes an archive and a name"],
    [["import", "https://h/x.tar", "y"], "hint: curl -fL https://h/x.tar | tsbuild import - y"],
    [["images", "x", "y"], "images takes one name"],
  ])("%j", async (args, message) => {
    const world = await cli(args);
    expect(world.stderr.text).toContain(message);
    expect([world.status, world.stdout.text, world.roots]).toEqual([2, "", []]);
  });

  test("an archive for a terminal, input from a terminal", async () => {
    const output = await cli(["build", "-o", "-", folder], { stdoutIsTTY: true });
    expect([output.status, output.stderr.text]).toEqual([
      2,
      expect.stringContaining("not written to a terminal"),
    ]);
    const input = await cli(["build", "-"], { stdinIsTTY: true });
    expect([input.status, input.stderr.text]).toEqual([2, expect.stringContaining("nothing is piped in")]);
  });
});

test("a context that is no folder is status 1", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (const path of [file, join(folder, "missing")]) {
    const world = await cli(["build", path]);
    expect([world.status, world.stderr.text]).toEqual([
      1,
      expect.stringContaining(`ERROR: the context ${path} `),
    ]);
  }
});

describe("build: streams (C043) and exit codes (C045)", () => {
  const events = [
    on.begin(),
    on.start(0, "RUN a"),
    on.log(1, "RUN a", "boom\n"),
    on.done(2, "RUN a"),
    on.end(3),
  ];

  test("progress on standard error, nothing on standard output", async () => {
    const world = await cli(["build", folder], { events, result: { imageId, names: [] } });
    expect([world.status, world.stdout.text]).toEqual([0, ""]);
    expect(world.stderr.text).toContain("#1 RUN a\n#1 0.001 boom\n#1 DONE 0.0s\n");
    expect(world.engine.closed).toBe(true);
  });

  test("--quiet: the image ID alone", async () => {
    const world = await cli(["build", "-q", folder], { events, result: { imageId, names: [] } });
    expect([world.status, world.stdout.text, world.stderr.text]).toEqual([0, `${imageId}\n`, ""]);
  });

  test("BUILDKIT_PROGRESS chooses the view, the flag wins", async () => {
    const env = { BUILDKIT_PROGRESS: "rawjson" };
    const raw = await cli(["build", folder], { events, env });
    expect(JSON.parse(raw.stderr.text.split("\n")[0]!)).toHaveProperty("vertexes");
    expect((await cli(["build", "--progress=none", folder], { events, env })).stderr.text).toBe("");
  });

  test.each([
    ["TSB_EXEC", 1],
    ["TSB_OOM", 102],
    ["TSB_CANCELED", 130],
  ] as const)("%s is status %i, with the place, and the engine is closed", async (code, status) => {
    const error = new TsbuildError(code, "it failed", {
      vertex: digest("RUN a"),
      source: { file: "Dockerfile", text: "FROM x\nRUN a\n", ranges: [{ start: 2, end: 2 }] },
    });
    const failed = [...events.slice(0, 3), on.failed(2, "RUN a", "it failed"), on.end(3, error)];
    const world = await cli(["build", folder], { events: failed, error });
    expect([world.status, world.engine.closed, world.stdout.text]).toEqual([status, true, ""]);
    expect(world.stderr.text).toContain(" > RUN a:\n0.001 boom\n");
    expect(world.stderr.text).toMatch(/Dockerfile:2\n-+\n.*\n {3}2 \| >>> RUN a\n-+\nERROR: it failed\n$/);
  });

  test("a bug is status 100, its stack with --debug", async () => {
    const quiet = await cli(["build", folder], { error: new RangeError("oops") });
    expect([quiet.status, quiet.stderr.text]).toEqual([100, expect.not.stringContaining("    at ")]);
    const debug = await cli(["--debug", "build", folder], { error: new RangeError("oops") });
    expect(debug.stderr.text).toMatch(/RangeError: oops\n {4}at /);
  });
});

test("progress modes", () => {
  const tty = new FakeStream({ isTTY: true });
  const pipe = new FakeStream();
  const mode = (progress: string | undefined, stream: FakeStream, env = {}) =>
    progressMode({ quiet: false, progress }, stream, env);
  expect([mode(undefined, tty), mode(undefined, pipe), mode("tty", pipe), mode("plain", tty)]).toEqual([
    "tty",
    "plain",
    "plain",
    "plain",
  ]);
  expect(mode(undefined, tty, { TERM: "dumb" })).toBe("plain");
  expect(mode(undefined, Object.assign(new FakeStream({ isTTY: true }), { rows: 3 }))).toBe("plain");
  expect(progressMode({ quiet: true, progress: "tty" }, tty, {})).toBe("quiet");
  expect(() => mode(undefined, tty, { BUILDKIT_PROGRESS: "x" })).toThrow("BUILDKIT_PROGRESS");
  expect([hasColors(tty, {}), hasColors(tty, { NO_COLOR: "1" }), hasColors(tty, { NO_COLOR: "" })]).toEqual([
    true,
    false,
    true,
  ]);
});

describe("help and version", () => {
  test("each command that the tables have can be run, and has a table", async () => {
    for (const spec of commandSpecs) {
      expect((await cli([spec.name, "--help"])).stdout.text).toBe(commandHelp(spec));
      expect((await cli(["help", spec.name])).stdout.text).toBe(commandHelp(spec));
    }
  });

  test("each way to ask for help", async () => {
    const program = await cli(["--help"]);
    expect(program.stdout.text).toContain("Usage: tsbuild COMMAND");
    for (const args of [[], ["help"], ["-h"]])
      expect((await cli(args)).stdout.text).toBe(program.stdout.text);
    const build = await cli(["build", "--help"]);
    expect(build.stdout.text).toContain("Usage: tsbuild build [flags] PATH | URL | -");
    for (const args of [
      ["help", "build"],
      ["build", "-h", "--tag", "x"],
    ]) {
      expect((await cli(args)).stdout.text).toBe(build.stdout.text);
    }
    expect([build.status, build.stderr.text, build.roots]).toEqual([0, "", []]);
  });
  test("version", async () => {
    for (const args of [["version"], ["--version"], ["-v"]]) {
      expect((await cli(args)).stdout.text).toMatch(/^tsbuild \d+\.\d+\.\d+\n$/);
    }
  });
});

test("text input is bytes", async () => {
  async function* words() {
    yield "a";
    yield Buffer.from("b");
  }
  const bytes = inputBytes(words(), new AbortController().signal);
  expect(Buffer.concat(await Array.fromAsync(bytes)).toString()).toBe("ab");
});

test("an input that never ends gives way to Ctrl-C", async () => {
  const controller = new AbortController();
  const silent = new PassThrough();
  const read = Array.fromAsync(inputBytes(silent, controller.signal));
  setImmediate(() => controller.abort(new TsbuildError("TSB_CANCELED", "canceled")));
  await expect(read).rejects.toMatchObject({ code: "TSB_CANCELED" });
  expect(silent.destroyed).toBe(true);
});
