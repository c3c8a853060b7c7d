/** What is kept of builds (C033, W004), and how it is told. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { BuildRecord } from "@tsbuild/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, main, missing, runOk, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: the history of builds: ${reason}`);

const SECRET = "correct-horse-battery";

async function exported(world: World, reference = "^0"): Promise<BuildRecord> {
  return JSON.parse((await world.ok(["history", "export", reference])).stdout) as BuildRecord;
}

async function statuses(world: World): Promise<string[]> {
  const { stdout } = await world.ok(["history", "ls", "--format=json"]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as BuildRecord).status);
}

function stepLike(build: BuildRecord, text: string): BuildRecord["steps"][number] {
  const step = build.steps.find(({ name }) => name.includes(text));
  if (step === undefined) throw new Error(`no step ${text} in ${JSON.stringify(build.steps)}`);
  return step;
}

describe.skipIf(reason !== undefined)("the history of builds", () => {
  const world = new World();
  // Where steps cannot have a network of their own, the first one's output says so.
  world.env["TSBUILD_NETWORK"] = "host";
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  test("tells of each step what ran, on what, why, how long, and what came of it", async () => {
    const context = world.context("facts", {
      Dockerfile: "FROM busybox AS one\nARG REV=1\nRUN echo rev $REV > /rev\nFROM one\nCOPY f /f\n",
      f: "f",
    });
    await world.ok(["build", "-t", "facts:1", context]);
    await world.ok(["build", "-t", "facts:1", "--build-arg", "REV=2", context]);
    const [first, second] = [await exported(world, "^1"), await exported(world, "^0")];
    expect(first).toMatchObject({ version: 1, status: "ok", title: "facts:1", warnings: 0 });
    expect(second.request).toMatchObject({ context, tags: ["facts:1"], buildArgs: { REV: "2" } });
    expect(second.imageId).toMatch(/^sha256:/);
    const run = stepLike(second, "RUN echo rev");
    expect(run).toMatchObject({ status: "ok", stage: "one", lines: [{ start: 3, end: 3 }] });
    expect(run.reason?.text).toBeTruthy();
    expect(run.key).toMatch(/^sha256:/);
    expect(run.key).not.toBe(stepLike(first, "RUN echo rev").key);
    expect(Buffer.from(run.op ?? "", "base64").toString("latin1")).toContain("echo rev $REV > /rev");
    expect(run.inputSnapshots).toEqual(stepLike(first, "RUN echo rev").inputSnapshots);
    expect(run.outputSnapshots).toEqual([expect.stringMatching(/^\d+$/)]);
    expect(run.sizeBytes).toBeGreaterThan(512);
    expect(run.cpuMs).toBeGreaterThanOrEqual(0);
    expect(run.endedAt).toBeGreaterThan(run.startedAt);
    expect(stepLike(second, "FROM")).toMatchObject({ status: "cached" });
    expect(stepLike(second, "COPY").inputs).toContain(run.vertex);
  });

  test("a build that failed, one that was stopped, one that was killed; a request refused at once is none", async () => {
    const own = new World();
    own.env["TSBUILD_NETWORK"] = "host";
    await importBusybox(own);
    const context = own.context("ends", {
      Dockerfile:
        "FROM busybox AS bad\nRUN echo before && exit 7\nFROM busybox AS slow\nRUN echo begun && sleep 1 && echo more && sleep 60\n",
    });
    const build = (target: string): string[] => ["build", "--progress=plain", "--target", target, context];
    expect((await own.tsbuild([...build("bad"), "-t", "NOT VALID"])).code).not.toBe(0);
    expect((await own.tsbuild(build("bad"))).code).not.toBe(0);
    const match = /more$/m;
    await own.tsbuild(build("slow"), { signalOn: { match, signal: "SIGINT" } });
    await own.tsbuild(build("slow"), { signalOn: { match, signal: "SIGKILL" } });
    expect(await statuses(own)).toEqual(["crashed", "canceled", "failed"]);

    const failed = await exported(own, "^2");
    expect(failed.error?.message).toContain("exit code: 7");
    expect(stepLike(failed, "exit 7")).toMatchObject({ status: "failed", cpuMs: expect.any(Number) });
    expect(stepLike(await exported(own, "^1"), "sleep 60")).toMatchObject({ status: "canceled" });
    const crashed = await exported(own, "^0");
    expect(stepLike(crashed, "sleep 60")).toMatchObject({ status: "running", hasLog: true });
    expect((await own.ok(["logs", "sleep 60"])).stdout).toBe("begun\nmore\n");
    expect((await own.ok(["history", "show"])).stdout).toMatch(/^status +crashed after/m);

    const removed = await own.ok(["history", "rm", "--all"]);
    expect(removed.stdout.trimEnd().split("\n")).toHaveLength(3);
    expect(readdirSync(join(own.root, "v1/history"))).toEqual([]);
    own.close();
  });

  test("a failure whose output is longer than what is shown says where all of it is", async () => {
    const context = world.context("long", { Dockerfile: "FROM busybox\nRUN seq 1 3000; exit 9\n" });
    const { stderr } = await world.tsbuild(["build", "--progress=plain", context]);
    const [, words = ""] = /^all of it: tsbuild (logs [0-9a-f]{8} \d+)$/m.exec(stderr) ?? [];
    const { stdout } = await world.ok(words.split(" "));
    expect(stdout).toBe(Array.from({ length: 3000 }, (_, i) => `${i + 1}\n`).join(""));
  });

  test("two at once: both are there, each with its own; one at work is not removed", async () => {
    const context = world.context("two", {
      Dockerfile: `FROM busybox
ARG WHO
RUN --mount=type=cache,id=two,target=/c for i in $(seq 1200); do test -e /c/go && break; sleep 0.1; done; echo $WHO is here
`,
    });
    const go = world.context("go", {
      Dockerfile: "FROM busybox\nRUN --mount=type=cache,id=two,target=/c touch /c/go\n",
    });
    const args = (who: string): string[] => ["build", "--build-arg", `WHO=${who}`, "-t", who, context];
    const both = Promise.all([world.tsbuild(args("ada")), world.tsbuild(args("bob"))]);
    let listed = "";
    for (let tries = 0; tries < 600 && !/running[\s\S]*running/.test(listed); tries++) {
      await sleep(50);
      listed = (await world.ok(["history", "ls"])).stdout;
    }
    const { stderr } = await world.ok(["history", "rm", "^0"]);
    expect(stderr).toMatch(/is at work and stays/);
    await world.ok(["build", go]);
    expect((await both).map(({ code, stderr: said }) => (code === 0 ? "ok" : said))).toEqual(["ok", "ok"]);
    const { stdout } = await world.ok(["history", "ls"]);
    for (const who of ["ada", "bob"]) {
      const id = new RegExp(`^([0-9a-f]{8}) +${who} +ok `, "m").exec(stdout)?.[1] ?? "none";
      expect((await world.ok(["logs", id])).stdout).toBe(`${who} is here\n`);
    }
  });

  test("output comes back byte for byte, however long; also of a step that came from the cache since", async () => {
    const every = Buffer.alloc(3_000_000);
    for (let at = 0; at < every.length; at++) every[at] = (at * 7 + (at >> 8)) & 0xff;
    const context = world.context("bytes", {
      Dockerfile: "FROM busybox\nCOPY all /\nRUN cat /all\n",
      all: every,
    });
    await world.ok(["build", context]);
    await world.ok(["build", context]);
    const env = { TSBUILD_ROOT: world.root, ...world.env };
    const read = (reference: string): Buffer => {
      const args = ["--disable-warning=ExperimentalWarning", main, "logs", ...reference.split(" ")];
      return spawnSync(process.execPath, args, { env: { ...process.env, ...env }, maxBuffer: 1e8 }).stdout;
    };
    expect(read("^1 cat").equals(every)).toBe(true);
    expect(read("^0 cat").equals(every)).toBe(true);
    expect((await world.ok(["logs", "^0", "cat"])).stderr).toMatch(
      /came from the cache: this is its output in/,
    );
    await runOk(
      "sh",
      ["-c", `"$0" "$1" logs ^1 cat | head -c 10 > ${world.path("head")}`, process.execPath, main],
      {
        env,
      },
    );
    expect(readFileSync(world.path("head"))).toEqual(every.subarray(0, 10));
  });

  test("no value of a secret is in it: not of output, errors, arguments or commands", async () => {
    const file = world.path("secret");
    writeFileSync(file, SECRET);
    const context = world.context("secrets", {
      Dockerfile: [
        "FROM busybox",
        "ARG NOTE",
        "ARG API_TOKEN",
        `RUN --mount=type=secret,id=s cat /run/secrets/s; echo "$NOTE ${SECRET}"; : "$API_TOKEN"; exit 4`,
      ].join("\n"),
    });
    const secret = ["--secret", `id=s,src=${file}`];
    const values = ["--build-arg", `NOTE=${SECRET}`, "--build-arg", "API_TOKEN=telling-name"];
    expect((await world.tsbuild(["build", ...secret, ...values, context])).code).not.toBe(0);
    const build = await exported(world);
    expect(build).toMatchObject({
      status: "failed",
      request: { buildArgs: { NOTE: "****", API_TOKEN: "***" } },
    });
    expect(stepLike(build, "RUN").name).toContain('echo "**** ****"; : "****"');
    const op = Buffer.from(stepLike(build, "RUN").op ?? "", "base64").toString("latin1");
    expect(op).toContain("API_TOKEN=****");
    expect(op).not.toMatch(new RegExp(`${SECRET}|telling-name`));
    const found = spawnSync("grep", ["-rlE", `${SECRET}|telling-name`, join(world.root, "v1/history")], {
      encoding: "utf8",
    });
    expect(found.stdout).toBe("");
    expect(found.status).toBe(1);
  });

  test("old builds go, and their output", async () => {
    const context = world.context("many", { Dockerfile: "FROM busybox\nARG N\nRUN echo $N\n" });
    const env = { TSBUILD_HISTORY_BUILDS: "3" };
    for (const n of ["1", "2", "3", "4"])
      await world.ok(["build", "--build-arg", `N=${n}`, context], { env });
    const { stdout } = await world.ok(["history", "ls", "-q"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(3);
    expect(readdirSync(join(world.root, "v1/history"))).toHaveLength(3);
  });
});

const canMount = reason === undefined;

describe.runIf(canMount)("the history on a full disk", () => {
  test("is a warning; the build goes on", async () => {
    const world = new World();
    mkdirSync(world.root);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m,mode=700", "tmpfs", world.root]).status).toBe(
      0,
    );
    try {
      await importBusybox(world);
      const context = world.context("full", {
        Dockerfile:
          "FROM busybox\nRUN head -c 30000000 /dev/zero; echo; echo last line\nRUN echo after > /after\n",
      });
      const { stderr } = await world.ok(["build", "-t", "full", "--progress=plain", context]);
      expect(stderr).toMatch(/the output of this build is not kept: ENOSPC/);
      expect(stderr).toMatch(/last line/);
      const build = await exported(world);
      expect(build).toMatchObject({ status: "ok", logsLost: true });
      expect((await world.ok(["history", "show"])).stdout).toMatch(/^output +not kept/m);
      expect((await world.ok(["logs"])).stderr).toMatch(/was not kept/);
    } finally {
      spawnSync("umount", ["-l", world.root]);
      world.close();
    }
  });

  test("is no record at all when not even that can be written", async () => {
    const world = new World();
    await importBusybox(world);
    const history = join(world.root, "v1/history");
    mkdirSync(history, { recursive: true });
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4k,nr_inodes=2", "tmpfs", history]).status).toBe(0);
    try {
      const context = world.context("full", { Dockerfile: "FROM busybox\nRUN echo after > /after\n" });
      const { stderr } = await world.ok(["build", "-t", "full", "--progress=plain", context]);
      expect(stderr).toMatch(/this build is not in the history: cannot write the build history/);
    } finally {
      spawnSync("umount", ["-l", history]);
      world.close();
    }
  });
});
