import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end explanations: ${reason}`);

/** Reasons in the plain log, by the name of the step. */
function reasonsIn(log: string): Record<string, string> {
  const names = new Map<string, string>();
  const reasons: Record<string, string> = {};
  for (const line of log.split("\n")) {
    const [, number = "", text = ""] = /^#(\d+) (.*)$/.exec(line) ?? [];
    if (/^\[/.test(text)) names.set(number, text.replace(/^\[[^\]]*\] /, ""));
    const why = /^\(rebuilt: (.*)\)$/.exec(text)?.[1];
    if (why !== undefined) reasons[names.get(number) ?? number] = why;
  }
  return reasons;
}

describe.skipIf(reason !== undefined)("why a step ran again (W001)", () => {
  const world = new World();
  let folder = "";
  beforeAll(async () => {
    await importBusybox(world);
    folder = world.context("app", { "src/a.ts": "1", "src/b.ts": "1", "run.sh": "true" });
  });
  afterAll(() => world.close());

  const LINES = [
    "FROM busybox",
    "ARG REV=1",
    "RUN echo $REV",
    "COPY src /src",
    "COPY run.sh /",
    "RUN wc -c /src/*",
  ];

  /** Builds with lines of the Dockerfile; returns the reasons. */
  async function built(
    lines: readonly string[],
    ...flags: readonly string[]
  ): Promise<Record<string, string>> {
    writeFileSync(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
    return reasonsIn(await world.build(folder, ...flags));
  }

  test("is said in one line", async () => {
    expect(await built(LINES)).toEqual({});
    expect(await built(LINES)).toEqual({});

    expect(await built(LINES, "--build-arg", "REV=2")).toMatchObject({
      "RUN echo 2": "ARG REV 1 → 2",
      "COPY src /src": expect.stringMatching(/^after \[2\/5\] RUN echo 2$/),
    });

    writeFileSync(join(folder, "src/b.ts"), "2");
    expect(await built(LINES, "--build-arg", "REV=2")).toMatchObject({
      "COPY src /src": "changed: src/b.ts",
    });

    chmodSync(join(folder, "run.sh"), 0o755);
    expect(await built(LINES, "--build-arg", "REV=2")).toEqual({
      "COPY run.sh /": "changed: mode of run.sh 0644 → 0755",
      "RUN wc -c /src/*": expect.stringContaining("after [4/5] COPY run.sh /"),
    });

    const inserted = LINES.toSpliced(4, 0, "RUN echo between");
    expect(await built(inserted, "--build-arg", "REV=2")).toEqual({
      "RUN echo between": "never built here",
      "COPY run.sh /": "after [4/6] RUN echo between",
      "RUN wc -c /src/*": "after [5/6] COPY run.sh /",
    });

    const edited = inserted.with(4, "RUN echo edited");
    expect(await built(edited, "--build-arg", "REV=2")).toMatchObject({
      "RUN echo edited": "instruction edited",
    });

    const user = edited.toSpliced(6, 0, "USER alice");
    expect(await built(user, "--build-arg", "REV=2")).toEqual({ "RUN wc -c /src/*": 'USER "" → alice' });

    expect(await built(user, "--build-arg", "REV=2", "--no-cache")).toMatchObject({
      "RUN echo 2": "--no-cache",
      "RUN wc -c /src/*": "--no-cache",
    });
  });

  test("is not taken from another project with the same steps", async () => {
    const other = world.context("other", { Dockerfile: "FROM busybox\nCOPY f /\nRUN cat /f\n", f: "1" });
    await world.build(other);
    const twin = world.context("twin", { Dockerfile: "FROM busybox\nCOPY f /\nRUN cat /f\n", f: "2" });
    expect(reasonsIn(await world.build(twin))).toEqual({});
    writeFileSync(join(other, "f"), "3");
    expect(reasonsIn(await world.build(other))).toMatchObject({ "COPY f /": "changed: f" });
  });

  test("a base that moved is named by both digests", async () => {
    const child = world.context("child", { Dockerfile: "FROM parent\nRUN echo child\n" });
    const parent = world.context("parent", { Dockerfile: "FROM busybox\nCOPY f /\n", f: "1" });
    await world.build(parent, "-t", "parent");
    await world.build(child);
    writeFileSync(join(parent, "f"), "2");
    await world.build(parent, "-t", "parent");
    expect(reasonsIn(await world.build(child))["RUN echo child"]).toMatch(
      /^base moved sha256:[0-9a-f]{12} → sha256:[0-9a-f]{12}$/,
    );
  });

  test("tsbuild explain tells the whole chain, as text and as JSON, without private values", async () => {
    const lines = ["FROM busybox", "ARG API_TOKEN=first", "RUN true", "COPY src /src", "RUN wc -c /src/*"];
    const chain = world.context("chain", { "src/a": "1" });
    writeFileSync(join(chain, "Dockerfile"), `${lines.join("\n")}\n`);
    await world.build(chain);
    writeFileSync(join(chain, "src/a"), "2");
    await world.build(chain);
    const text = (await world.ok(["explain", "RUN wc -c"])).stdout;
    expect(text).toContain("ran: after [3/4] COPY src /src");
    expect(text).toMatch(/because of #\d+ \[3\/4\] COPY src \/src\n {6}ran: changed: src\/a\n {8}src\/a: /);

    await world.build(chain, "--build-arg", "API_TOKEN=second-value");
    const { stdout } = await world.ok(["explain", "^0", "--format", "json"]);
    const { steps } = JSON.parse(stdout) as { steps: { name: string; changes?: { name: string }[] }[] };
    const run = steps.find(({ name }) => name.includes("RUN true"));
    expect(run?.changes).toMatchObject([{ name: "arg.API_TOKEN", after: expect.stringMatching(/^sha256:/) }]);
    expect(stdout).not.toContain("second-value");
    expect((await world.tsbuild(["explain", "nothing like it"])).code).toBe(2);
  });

  test("--call=plan says it before anything runs (W027)", async () => {
    const lines = [
      "FROM busybox AS b",
      "ARG REV=1",
      "RUN echo $REV > /o",
      "FROM busybox",
      "COPY --from=b /o /",
      "COPY f /",
      "RUN cat /f",
    ];
    const planned = world.context("planned", { Dockerfile: `${lines.join("\n")}\n`, f: "1" });
    const verdicts = async (...flags: readonly string[]): Promise<Record<string, string>> => {
      const { stdout } = await world.ok(["build", "--call=plan,format=json", ...flags, planned]);
      const { steps } = JSON.parse(stdout) as {
        steps: { name: string; verdict: string; reason?: { text: string }; dependsOn?: string[] }[];
      };
      return Object.fromEntries(
        steps.map(({ name, verdict, reason: why, dependsOn }) => [
          name.replace(/^\[[^\]]*\] /, "").replace(/ docker.io.*/, ""),
          [verdict, why?.text ?? dependsOn?.join()].filter((part) => part !== undefined).join(": "),
        ]),
      );
    };
    expect(await verdicts()).toMatchObject({ "RUN cat /f": expect.stringMatching(/^unknown/) });
    expect((await world.ok(["history", "ls", "-q"])).stdout).not.toContain("planned");
    await world.build(planned);
    expect(Object.values(await verdicts())).toEqual(["cached", "cached", "cached", "cached", "cached"]);
    writeFileSync(join(planned, "f"), "2");
    expect(await verdicts()).toMatchObject({
      "COPY --from=b /o /": "cached",
      "COPY f /": "runs: changed: f",
      "RUN cat /f": expect.stringMatching(/^runs: after .*COPY f \/$/),
    });
    expect(await verdicts("--build-arg", "REV=2")).toMatchObject({
      "RUN echo 2 > /o": "runs: ARG REV 1 → 2",
      "COPY --from=b /o /": expect.stringMatching(/^unknown: .*RUN echo 2/),
    });
    const text = (await world.ok(["build", "--call=plan", planned])).stdout;
    expect(text).toMatch(/3 cached, saving .*; 2 to run; steps that run took/);
  });
});
