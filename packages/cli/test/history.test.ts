import { sha256, TsbuildError, type VertexDigest } from "@tsbuild/base";
import type { BuildHistory, BuildRecord, LocalImages, StepRecord } from "@tsbuild/engine";
import { describe, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { criticalPath } from "../src/history/critical-path.ts";
import { durationMs } from "../src/history/duration.ts";
import { timeline } from "../src/history/timeline.ts";
import { traceOf } from "../src/history/trace.ts";
import { FakeStream, type FakeWorld, fakeWorld } from "./fake-io.ts";

const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);
const vertex = (name: string): VertexDigest => sha256(name) as string as VertexDigest;

interface StepParts extends Partial<Omit<StepRecord, "inputs">> {
  readonly from?: number;
  readonly to?: number;
  readonly after?: readonly string[];
}

/** Times in milliseconds from the build's start. */
function step(number: number, name: string, { from, to, after = [], ...rest }: StepParts): StepRecord {
  return {
    number,
    name,
    vertex: vertex(name),
    inputs: after.map(vertex),
    status: "ok",
    startedAt: T0 + (from ?? 0),
    ...(to === undefined ? {} : { endedAt: T0 + to }),
    ...rest,
  };
}

function build(steps: readonly StepRecord[], rest: Partial<BuildRecord> = {}): BuildRecord {
  return {
    version: 1,
    id: "0123abcd",
    status: "ok",
    startedAt: T0,
    finishedAt: T0 + 4000,
    title: "app:1",
    request: {
      context: "/src/app",
      tags: ["app:1"],
      platforms: [],
      buildArgs: {},
      outputs: [],
      noCache: false,
      noCacheFilter: [],
    },
    warnings: 0,
    steps,
    ...rest,
  };
}

const neverBuilt = { kind: "never-built", text: "never built before" } as const;
const BASE = "[base 1/1] FROM busybox";
const SLOW = "[slow 1/1] RUN make the slow thing of which the name is rather long";
const QUICK = "[quick 1/1] RUN true";
const LAST = "[stage-2 1/1] COPY --from=slow /a /a";

const diamond = build(
  [
    step(1, BASE, { status: "cached", to: 0 }),
    step(2, SLOW, {
      from: 0,
      to: 3000,
      after: [BASE],
      reason: neverBuilt,
      cpuMs: 2500,
      peakMemoryBytes: 5e6,
      sizeBytes: 2048,
    }),
    step(3, QUICK, { from: 0, to: 100, after: [BASE], reason: { kind: "arg", text: "ARG REV 1 → 2" } }),
    step(4, LAST, { from: 3000, to: 3500, after: [SLOW, QUICK], sizeBytes: 1_000_000 }),
    step(5, "exporting to image", { from: 3500, to: 4000, internal: true }),
  ],
  {
    imageId: sha256("image"),
    dockerfile: { file: "/src/app/Dockerfile", digest: sha256("text") },
    warnings: 2,
  },
);

const drawn = (record: BuildRecord, columns: number): string[] =>
  timeline(record, { columns, now: T0 + 3 * 3_600_000 }).split("\n");

describe("the timeline", () => {
  test("at 80 columns", () => {
    expect(drawn(diamond, 80)).toEqual([
      "build      0123abcd  app:1",
      "status     ok after 4.0s",
      "started    2026-01-02T03:04:05.000Z, 3 hours ago",
      "context    /src/app",
      `dockerfile /src/app/Dockerfile  ${sha256("text").slice(0, 19)}`,
      `image      ${sha256("image")}`,
      "",
      "   1 [base 1/1] FROM busybox                                     cached",
      "*  2 [slow 1/1] RUN make the slow thing of wh… ████████████····    3.0s   2.05kB",
      "     never built before, cpu 2.5s, memory 5.00MB",
      "   3 [quick 1/1] RUN true                      █···············    0.1s",
      "     ARG REV 1 → 2",
      "*  4 [stage-2 1/1] COPY --from=slow /a /a      ············██··    0.5s   1.00MB",
      "   5 exporting to image                        ··············██    0.5s",
      "",
      "steps      1 cached, 3 rebuilt",
      "critical * 3.5s in 2 steps",
      "cpu        2.5s",
      "new layers 1.00MB",
      "warnings   2",
      "",
    ]);
  });

  test("at 120 columns names have room, and bars the rest", () => {
    const lines = drawn(diamond, 120);
    expect(lines[8]).toBe(`*  2 ${SLOW} ${"█".repeat(23)}${"·".repeat(7)}    3.0s   2.05kB`);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
  });

  test("on a narrow terminal it has no bars; no row is longer", () => {
    for (const columns of [30, 40, 50, 60, 79, 100, 200]) {
      const rows = drawn(diamond, columns).slice(7, 14);
      for (const row of rows) expect(row.length, row).toBeLessThanOrEqual(columns);
      expect(rows.join("").includes("█")).toBe(columns >= 64);
    }
  });

  test("of a build that failed, that was killed, or is at work", () => {
    const failure = { code: "TSB_EXEC", message: "exit code: 3\n\x1b[2Jand more" };
    const failed = build([step(1, QUICK, { to: 100, status: "failed", error: failure })], {
      status: "failed",
      error: failure,
    });
    expect(drawn(failed, 80)).toContain("     failed: exit code: 3 and more");
    expect(drawn(failed, 80)).toContain("error      exit code: 3 and more");
    const open = [step(1, QUICK, { from: 500, status: "running" })];
    const crashed = drawn(build(open, { status: "crashed", finishedAt: undefined, logsLost: true }), 80);
    expect(crashed).toContain("status     crashed after 0.5s");
    expect(crashed).toContain("     did not end");
    expect(crashed).toContain("output     not kept: it could not be written");
    const running = drawn(build(open, { status: "running", finishedAt: undefined }), 80);
    expect(running).toContain("status     running after 180m00s");
  });

  test("of a build without steps", () => {
    expect(drawn(build([]), 80).slice(-4)).toEqual(["", "", "steps      none", ""]);
  });
});

describe("the critical path", () => {
  const names = (record: BuildRecord): number[] =>
    [...criticalPath(record, T0 + 4000)].map(({ number }) => number).sort();

  test("leads from the last end through the inputs that ended last", () => {
    expect(names(diamond)).toEqual([2, 4]);
  });

  test("leads to the step whose place it took, where all were taken", () => {
    const record = build([
      step(1, SLOW, { to: 100 }),
      step(2, BASE, { to: 20 }),
      { ...step(3, QUICK, { from: 100, to: 150 }), waited: true as const },
      step(4, LAST, { from: 150, to: 160, after: [BASE, QUICK] }),
    ]);
    expect(names(record)).toEqual([1, 3, 4]);
  });

  test("ends at the cache, and is empty when all came from it", () => {
    expect(names(build([step(1, BASE, { status: "cached", to: 0 })]))).toEqual([]);
  });

  test("takes a step that did not end as the last", () => {
    expect(
      names(
        build([
          step(1, BASE, { to: 10 }),
          step(2, SLOW, { after: [BASE], status: "running" }),
          step(3, QUICK, { to: 90 }),
        ]),
      ),
    ).toEqual([1, 2]);
  });

  test("ends in a circle, which only a damaged record has", () => {
    expect(
      names(build([step(1, BASE, { to: 10, after: [SLOW] }), step(2, SLOW, { to: 20, after: [BASE] })])),
    ).toEqual([1, 2]);
  });
});

test("the trace has a row for each of the steps that overlap, and their names", () => {
  const { traceEvents } = traceOf(diamond);
  const spans = traceEvents.filter(({ ph }) => ph === "X");
  expect(spans.map(({ tid, ts, dur }) => ({ tid, ts, dur }))).toEqual([
    { tid: 1, ts: T0 * 1000, dur: 0 },
    { tid: 1, ts: T0 * 1000, dur: 3_000_000 },
    { tid: 2, ts: T0 * 1000, dur: 100_000 },
    { tid: 1, ts: (T0 + 3000) * 1000, dur: 500_000 },
    { tid: 1, ts: (T0 + 3500) * 1000, dur: 500_000 },
  ]);
  expect(spans.map(({ name }) => name)).toEqual(diamond.steps.map(({ name }) => name));
});

test("times before now", () => {
  expect(durationMs("--x", "90m")).toBe(5_400_000);
  expect(durationMs("--x", "2w")).toBe(14 * 86_400_000);
  expect(durationMs("--x", "1h30m")).toBe(5_400_000);
  for (const wrong of ["", "7", "d", "-1d", "1.5h", "7 d", "7dd"])
    expect(() => durationMs("--x", wrong)).toThrow(TsbuildError);
});

/** Two builds: in the newer one the step of number 1 came from the cache. */
class FakeHistory implements BuildHistory {
  readonly newest = build([step(1, QUICK, { status: "cached", to: 0 })], {
    id: "aaaa0000",
    startedAt: Date.now(),
  });
  readonly older = build(
    [step(1, QUICK, { to: 100, hasLog: true }), step(2, LAST, { from: 100, to: 200, hasLog: true })],
    { id: "bbbb0000" },
  );
  readonly removed: string[] = [];

  list = (): BuildRecord[] => [this.newest, this.older];
  find(reference: string): BuildRecord {
    const found = reference === "^0" ? this.newest : this.list().find(({ id }) => id.startsWith(reference));
    if (found === undefined) throw new TsbuildError("TSB_USAGE", `no build is ${reference}`);
    return found;
  }
  step({ steps }: BuildRecord, reference: string): StepRecord {
    const found = steps.find(({ name, number }) => String(number) === reference || name.includes(reference));
    if (found === undefined) throw new TsbuildError("TSB_USAGE", `no step has ${reference}`);
    return found;
  }
  log(_build: BuildRecord, { number, hasLog }: StepRecord) {
    const pieces = number === 1 ? ["one \x1b[2Jt", "wo\nthree"] : ["\xff\n"];
    return hasLog
      ? pieces.map((text) => ({ stream: 1 as const, at: T0, data: Buffer.from(text, "latin1") }))
      : [];
  }
  lastRun(_build: BuildRecord, { vertex: wanted }: StepRecord) {
    const found = this.older.steps.find((one) => one.vertex === wanted);
    return found && { build: this.older, step: found };
  }
  import(text: string): BuildRecord {
    return { ...this.older, id: text };
  }
  remove({ id }: { readonly id: string }): boolean {
    if (id === this.newest.id) return false;
    this.removed.push(id);
    return true;
  }
}

/** Only what `history IMAGE` asks. */
const NO_IMAGES = {
  inspect: () => ({ Id: "sha256:ab" }),
  steps: (image: string) => {
    if (image !== "app") throw new TsbuildError("TSB_RESOLVE", "no image here");
    return [{ createdBy: "RUN make", comment: "", sizeBytes: 7 }];
  },
} as unknown as LocalImages;

async function cli(
  args: readonly string[],
  tty = false,
): Promise<FakeWorld & { status: number; history: FakeHistory }> {
  const history = new FakeHistory();
  const world = fakeWorld({ history, localImages: NO_IMAGES });
  const io = tty ? { ...world, stdout: new FakeStream({ isTTY: true }) } : world;
  return Object.assign(io, { status: await runCli(args, io), history });
}

describe("tsbuild history", () => {
  test("ls: a table, IDs, or an object a line", async () => {
    const table = (await cli(["history"])).stdout.text.split("\n");
    expect(table[0]).toBe("ID        NAME   STATUS  STEPS      TOOK  STARTED");
    expect(table[2]).toMatch(/^bbbb0000 {2}app:1 {2}ok {6}2 rebuilt {2}4.0s {2}\d+ \w+ ago$/);
    expect((await cli(["history", "ls", "-q"])).stdout.text).toBe("aaaa0000\nbbbb0000\n");
    const json = (await cli(["history", "ls", "--format=json"])).stdout.text.trimEnd().split("\n");
    expect(JSON.parse(json[1] ?? "")).toMatchObject({
      id: "bbbb0000",
      steps: { cached: 0, rebuilt: 2, failed: 0 },
    });
  });

  test("show takes the newest, or the one named", async () => {
    expect((await cli(["history", "show"])).stdout.text).toMatch(/^build {6}aaaa0000/);
    expect((await cli(["history", "show", "bb"])).stdout.text).toMatch(/^build {6}bbbb0000/);
  });

  test("logs: all steps under their names; one step as it was printed", async () => {
    const all = (await cli(["logs", "bbbb"])).stdout.text;
    expect(all).toBe(`#1 ${QUICK}\none \x1b[2Jtwo\nthree\n#2 ${LAST}\n\ufffd\n`);
    expect((await cli(["logs", "bb", "1"])).stdout.text).toBe("one \x1b[2Jtwo\nthree");
    expect((await cli(["history", "logs", "bb", "1"])).stdout.text).toBe("one \x1b[2Jtwo\nthree");
  });

  test("logs: nothing that steers a terminal on one; times when asked", async () => {
    expect((await cli(["logs", "bb", "1"], true)).stdout.text).toBe("one two\nthree\n");
    const stamp = new Date(T0).toISOString();
    expect((await cli(["logs", "bb", "1", "--timestamps"])).stdout.text).toBe(
      `${stamp} one two\n${stamp} three\n`,
    );
  });

  test("logs: of a cached step what it printed when it ran; a single word that is no build is a step", async () => {
    const { stdout, stderr } = await cli(["logs", "RUN true"]);
    expect(stdout.text).toBe("one \x1b[2Jtwo\nthree");
    expect(stderr.text).toBe("step 1 of aaaa0000 came from the cache: this is its output in bbbb0000\n");
  });

  test("export: the record, or a trace", async () => {
    expect(JSON.parse((await cli(["history", "export", "bb"])).stdout.text)).toMatchObject({
      id: "bbbb0000",
      version: 1,
    });
    const trace = JSON.parse((await cli(["history", "export", "--format=trace"])).stdout.text);
    expect(trace).toHaveProperty("traceEvents");
  });

  test("rm: those named, those older, or all; one at work stays", async () => {
    expect((await cli(["history", "rm", "bb"])).history.removed).toEqual(["bbbb0000"]);
    expect((await cli(["history", "rm", "--older-than", "1d"])).history.removed).toEqual(["bbbb0000"]);
    const all = await cli(["history", "rm", "--all"]);
    expect(all.stdout.text).toBe("bbbb0000\n");
    expect(all.stderr.text).toBe("aaaa0000 is at work and stays\n");
    expect(all.status).toBe(0);
  });

  test("IMAGE: the instructions that made it", async () => {
    expect((await cli(["history", "app", "--format", "{{.ID}} {{.CreatedBy}} {{.Size}}"])).stdout.text).toBe(
      "sha256:ab RUN make 7\n",
    );
  });

  test.each([
    [["history", "rm"], /nothing to remove was named/],
    [["history", "rm", "bb", "--all"], /name builds, or --all, or --older-than/],
    [["history", "rm", "--older-than", "soon"], /--older-than "soon" is not a time/],
    [["history", "shwo"], /history has no action "shwo".*show/],
    [["history", "show", "a", "b"], /surplus arguments: b/],
    [["history", "ls", "--format=xml"], /xml/],
    [["logs", "zzz"], /no step has zzz/],
    [["logs", "ffff", "1"], /no build is ffff/],
    [["log"], /did you mean tsbuild logs/],
  ])("%j is refused", async (args, message) => {
    const { status, stderr } = await cli(args);
    expect(status).not.toBe(0);
    expect(stderr.text).toMatch(message);
  });
});
