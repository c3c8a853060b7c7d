import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sha256, TsbuildError } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { age } from "../src/commands/images.ts";
import { cli, contextFolder, imageId } from "./run-fake.ts";

const folder = contextFolder();

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
