import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end pragmas: ${reason}`);

describe.skipIf(reason !== undefined)("# tsbuild: comments (W028)", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  /** Writes the Dockerfile of a project. */
  function project(name: string, ...lines: readonly string[]): string {
    return world.context(name, { Dockerfile: `FROM busybox\n${lines.join("\n")}\n` });
  }

  test("no-cache runs a step in every build, and keeps its cache mounts", async () => {
    const folder = project(
      "never",
      "RUN echo before",
      "# tsbuild: no-cache",
      "RUN --mount=type=cache,target=/c echo x >> /c/runs; wc -l < /c/runs",
      "RUN echo after",
    );
    await world.build(folder);
    const log = await world.build(folder);
    expect(log).toMatch(/^#\d+ [\d.]+ 2$/m);
    expect(log).toContain("(rebuilt: # tsbuild: no-cache)");
    expect(log).toMatch(/RUN echo before\n#\d+ CACHED/);
  });

  test("ttl takes records up to an age", async () => {
    await world.build(project("aging", "# tsbuild: ttl=1d", "RUN echo old", "RUN echo child"));
    const folder = project("aging", "# tsbuild: ttl=1d", "RUN echo old", "RUN echo child");
    expect(await world.build(folder)).toContain("3 cached");
    project("aging", "# tsbuild: ttl=1s", "RUN echo old", "RUN echo child");
    await sleep(1100);
    const log = await world.build(folder);
    expect(log).toContain("(rebuilt: older than 1s)");
    expect(log).toMatch(/RUN echo child\n(.*\n)*#\d+ \(rebuilt: after \[2\/3\] RUN echo old\)/);
  });

  test("retry tries a failing command again, on a layer of its own", async () => {
    const folder = project(
      "flaky",
      "# tsbuild: retry=3",
      "RUN --mount=type=cache,target=/c echo try >> /c/tries; touch /mark-$(wc -l < /c/tries); [ $(wc -l < /c/tries) -ge 3 ]",
    );
    const log = await world.build(folder, "-t", "flaky");
    expect(log).toContain("tsbuild: attempt 1 of 4 failed");
    expect(log).toContain("attempt 2 of 4 failed");
    expect(log).not.toContain("attempt 3");
    expect((await world.inside("flaky", "sh", "-c", "echo /mark*")).trim()).toBe("/mark-3");

    const hopeless = project("hopeless", "# tsbuild: retry=1", "RUN exit 7");
    const failed = await world.tsbuild(["build", "--progress=plain", hopeless]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("attempt 1 of 2 failed");
    expect(failed.stderr).toContain("exit code: 7");
  });

  test("timeout stops a command and says so; the next attempt has the whole time again", async () => {
    const folder = project("slow", "# tsbuild: timeout=1s", "RUN echo begun; sleep 60");
    const started = Date.now();
    const failed = await world.tsbuild(["build", "--progress=plain", folder]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("the command did not end within 1s and was killed");
    expect(Date.now() - started).toBeLessThan(40_000);

    const second = project(
      "second",
      "# tsbuild: timeout=2s, retry=1",
      "RUN --mount=type=cache,target=/c [ -e /c/once ] || { touch /c/once; sleep 60; }",
    );
    expect(await world.build(second)).toContain("attempt 1 of 2 failed (the command did not end within 2s");
  });

  test("a slip is a warning with what was meant, and means nothing", async () => {
    const folder = project("slip", "# tsbuild: no-cahce, timeout=10", "RUN true");
    const log = await world.build(folder);
    expect(log).toContain('there is no pragma "no-cahce"; did you mean no-cache?');
    expect(log).toContain("timeout=10 is not a time");
    const check = await world.tsbuild(["check", folder]);
    expect(check.stdout.match(/no-cahce/g)?.length).toBeGreaterThan(0);
    expect(check.stdout.match(/did you mean no-cache/g)).toHaveLength(1);
  });

  test("--no-cache-step runs what its text holds", async () => {
    const folder = project("chosen", "RUN echo one", "RUN echo two three", "RUN echo four");
    await world.build(folder);
    const log = await world.build(folder, "--no-cache-step", "two*ee");
    expect(log).toMatch(/RUN echo one\n#\d+ CACHED/);
    expect(log).toContain("(rebuilt: --no-cache-step two*ee)");
  });

  test("are no part of what is built: other builders and records see the same step", async () => {
    const folder = project("plain", "RUN echo same");
    await world.build(folder);
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\n# tsbuild: ttl=1d, retry=2\nRUN echo same\n");
    expect(await world.build(folder)).toContain("2 cached");
  });
});
