import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { sha256, TsbuildError } from "@tsbuild/base";
import type { BuildRequest } from "@tsbuild/engine";
import { describe, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { age } from "../src/commands/images.ts";
import { commandSpecs } from "../src/flags/commands.ts";
import { commandHelp } from "../src/flags/help.ts";
import { inputBytes } from "../src/io.ts";
import { hasColors, progressMode } from "../src/progress/mode.ts";
import { digest, on } from "./events.ts";
import { FakeStream, type FakeWorld, fakeWorld, type WorldOptions } from "./fake-io.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-cli-"));
const imageId = sha256("image");

async function cli(args: string[], options: WorldOptions = {}): Promise<FakeWorld & { status: number }> {
  const world = fakeWorld(options);
  const status = await runCli(args, world);
  return Object.assign(world, { status });
}

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
      --shm-size 1m --cgroup-parent /g --resource memory=1g,pids=7 -m 2g --cpu-shares 512 --jobs 3 --iidfile iid --metadata-file meta --push --load --unset env:X,cmd --unset user --squash=s --target u --with-stage w --all-stages`;
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

describe("images", () => {
  const image = {
    name: "debian:bookworm",
    repository: "debian",
    tag: "bookworm",
    digest: sha256("m"),
    imageId,
    manifest: sha256("m"),
    createdAt: Date.now() - 7_300_000,
  };
  const images = [
    { ...image, sizeBytes: 123_456_789 },
    {
      ...image,
      name: "evil",
      repository: "evil\x1b[2J",
      createdAt: Date.now() - 1_801_000,
      sizeBytes: undefined,
    },
    { name: "<none>", imageId, manifest: sha256("m"), createdAt: 0, sizeBytes: 5 },
  ];
  const short = imageId.slice(7, 19);
  const out = async (...args: string[]) => (await cli(["images", ...args], { images })).stdout.text;

  test("a table, newest first", async () => {
    expect((await out()).split("\n").slice(0, 3)).toEqual([
      "REPOSITORY  TAG       IMAGE ID      CREATED         SIZE",
      `evil        bookworm  ${short}  30 minutes ago  -`,
      `debian      bookworm  ${short}  2 hours ago     123.5MB`,
    ]);
    expect(await out("--digests", "debian")).toContain(`bookworm  ${sha256("m")}  ${short}`);
  });
  test("IDs, JSON and templates", async () => {
    expect(await out("-q")).toBe(`${short}\n`.repeat(3));
    expect(await out("-q", "--no-trunc", "debian:*")).toBe(`${imageId}\n`);
    const lines = (await out("--format=json")).trimEnd().split("\n");
    expect(JSON.parse(lines[1]!)).toMatchObject({
      Repository: "debian",
      Tag: "bookworm",
      SizeBytes: 123_456_789,
    });
    expect(await out("--format", "{{.Repository}}:{{.Tag}}", "deb*")).toBe("debian:bookworm\n");
    expect(await out("--format", "table {{.Containers}}\\t{{.VirtualSize}}", "debian")).toBe(
      "CONTAINERS  SIZE\nN/A         123.5MB\n",
    );
    expect(await out("--format", "table {{.Tag}}\\t{{.Size}}", "debian")).toBe(
      "TAG       SIZE\nbookworm  123.5MB\n",
    );
  });
  test("filters", async () => {
    const localImages = {
      inspect: () => ({ Created: "2020-01-01T00:00:00Z", Config: { Labels: { l: "1" } } }),
    };
    const filtered = async (...filters: string[]) => {
      const flags = filters.flatMap((filter) => ["--filter", filter]);
      const io = await cli(["images", "--format", "{{.Repository}}", ...flags], {
        images,
        localImages,
      } as never);
      return io.stdout.text + io.stderr.text;
    };
    expect(await filtered("dangling=true")).toBe("<none>\n");
    expect(await filtered("reference=debian", "reference=ev*")).toBe("evil\ndebian\n");
    expect(await filtered("label=l=1", "dangling=true")).toBe("<none>\n");
    expect(await filtered("label=l=2")).toBe("");
    expect(await filtered("until=24h", "reference=debian")).toBe("debian\n");
    expect(await filtered("until=1", "reference=debian")).toBe("");
    expect(await filtered("refrence=x")).toContain("did you mean reference?");
    expect(await filtered("label")).toContain("it needs a value");
  });
  test("ages", () => {
    const hour = 3_600_000;
    expect([age(0), age(90_000), age(hour), age(50 * hour), age(400 * 24 * hour)]).toEqual([
      "0 seconds ago",
      "90 seconds ago",
      "60 minutes ago",
      "2 days ago",
      "13 months ago",
    ]);
  });
});

describe("import", () => {
  test("a file, with changes", async () => {
    const file = join(folder, "rootfs.tar");
    writeFileSync(file, "archive");
    const flags = ["-c", "CMD sh", "--change=USER 1", "-m", "why", "--platform=linux/arm/v7"];
    const world = await cli(["import", file, "debian:x", ...flags], { result: { imageId, names: [] } });
    const platform = { os: "linux", architecture: "arm", variant: "v7" };
    expect(world.engine.imports).toEqual([
      { name: "debian:x", changes: ["CMD sh", "USER 1"], bytes: "archive", platform, message: "why" },
    ]);
    expect([world.status, world.stdout.text]).toEqual([0, `${imageId}\n`]);
  });
  test("standard input; a file that is not there", async () => {
    const piped = await cli(["import", "-", "x"], { stdin: "tar" });
    expect(piped.engine.imports[0]!.bytes).toBe("tar");
    expect((await cli(["import", join(folder, "none.tar"), "x"])).status).toBe(1);
  });
});

describe("run", () => {
  test("passes output and exit code of the command on", async () => {
    const world = await cli(
      ["run", "-e", "A=1", "-e", "HOME", "-e", "NONE", "-u", "1", "-w", "/w", "alpine", "ls", "-l"],
      {
        exitCode: 7,
        env: { HOME: "/root" },
      },
    );
    expect([world.status, world.stdout.text, world.stderr.text]).toEqual([7, "out\n", "err\n"]);
    expect(world.engine.runs[0]).toMatchObject({
      image: "alpine",
      args: ["ls", "-l"],
      env: ["A=1", "HOME=/root"],
      user: "1",
      workdir: "/w",
      stdio: "log",
      network: "default",
      entrypoint: undefined,
    });
    expect(world.signalsLeft).toBe(true);
  });
  test("-t asks for a terminal, -i for input alone", async () => {
    const args = ["--entrypoint", "sh", "--network", "none", "alpine"];
    const terminal = await cli(["run", "-it", ...args], { stdinIsTTY: true });
    expect(terminal.engine.runs[0]).toMatchObject({
      stdio: "terminal",
      entrypoint: ["sh"],
      network: "none",
    });
    const input = await cli(["run", "-i", ...args]);
    expect(input.engine.runs[0]).toMatchObject({ stdio: "input" });
  });
  test("-t without a terminal is refused, with what to type instead", async () => {
    const world = await cli(["run", "-it", "alpine"]);
    expect([world.status, world.engine.runs]).toEqual([125, []]);
    expect(world.stderr.text).toContain("-t needs a terminal: standard input is none");
    expect(world.stderr.text).toContain("tsbuild run -i IMAGE COMMAND");
  });
  test("tsbuild's own failures are 125, as Docker has it", async () => {
    expect((await cli(["run", "x"], { error: new TsbuildError("TSB_RESOLVE", "no image") })).status).toBe(
      125,
    );
    expect((await cli(["run"])).status).toBe(125);
    expect((await cli(["run", "--nope", "x"])).status).toBe(125);
  });
});

describe("shell", () => {
  const terminal = { stdinIsTTY: true, stdoutIsTTY: true };
  test.each([
    [[], { build: undefined, step: undefined }],
    [["RUN make"], { build: undefined, step: "RUN make" }],
    [["^2"], { build: "^2", step: undefined }],
    [["0a1b2c3d"], { build: "0a1b2c3d", step: undefined }],
    [["0a1b", "4"], { build: "0a1b", step: "4" }],
  ])("%j names a build and a step", async (operands, { build, step }) => {
    const [request] = (await cli(["shell", ...operands], terminal)).engine.shells;
    expect([request?.build, request?.step]).toEqual([build, step]);
  });
  test("words of a step have to be quoted", async () => {
    const world = await cli(["shell", "^1", "RUN", "make"], terminal);
    expect([world.status, world.engine.shells]).toEqual([125, []]);
    expect(world.stderr.text).toContain("hint: quote the step: tsbuild shell ^1 'RUN make'");
  });
  test("has the secrets that it is given", async () => {
    const world = await cli(["shell", "--secret", "id=k,env=K"], { ...terminal, env: { K: "v" } });
    expect(world.engine.shells[0]?.secrets).toMatchObject({ k: { source: { type: "env", name: "K" } } });
  });
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
