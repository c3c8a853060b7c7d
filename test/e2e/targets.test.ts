import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: several targets: ${reason}`);

describe.skipIf(reason !== undefined)("several targets", () => {
  const world = new World();
  let folder: string;
  beforeAll(async () => {
    await importBusybox(world);
    folder = world.context("app", {
      Dockerfile: [
        "FROM busybox AS base",
        "RUN echo common > /common",
        "FROM base AS docs",
        "RUN cp /common /docs",
        "FROM base AS test",
        "RUN test -f /common && echo tested",
        "FROM base AS bad",
        "RUN exit 3",
        "FROM base AS app",
        "RUN cp /common /app",
      ].join("\n"),
    });
  }, 300_000);
  afterAll(() => world.close());

  test("are solved in one, each with its own outputs; the first is named", async () => {
    const [out, tar, metadata] = [world.path("docs"), world.path("app.tar"), world.path("metadata.json")];
    const { stderr } = await world.ok([
      ...["build", "--progress=plain", "--target", "app", "--target", "docs", "-t", "app:1"],
      ...[
        "-o",
        `type=local,dest=${out},target=docs`,
        "-o",
        `type=docker,dest=${tar}`,
        "--metadata-file",
        metadata,
        folder,
      ],
    ]);
    // The stage that both stand on ran once; its name shows again when steps take turns in the output.
    const numbers = [...stderr.matchAll(/#(\d+) \[[^\]]*\] RUN echo common/g)].map(([, number]) => number);
    expect(new Set(numbers).size).toBe(1);
    expect(readFileSync(join(out, "docs"), "utf8")).toBe("common\n");
    expect(existsSync(join(out, "app"))).toBe(false);
    expect(existsSync(tar)).toBe(true);
    expect((await world.ok(["run", "app:1", "cat", "/app"])).stdout).toBe("common\n");
    expect(Object.keys(JSON.parse(readFileSync(metadata, "utf8")))).toEqual(["app", "docs"]);
    expect(stderr).toContain("skipped test, bad (--all-stages builds all)");
  }, 300_000);

  test("a stage is built for its own sake; one that fails makes the build fail", async () => {
    const { stderr } = await world.ok(["build", "--progress=plain", "--with-stage", "test", folder]);
    expect(stderr).toContain("tested");
    expect(stderr).toContain("skipped docs, bad");
    const plan = await world.ok(["build", "--call=plan", "--all-stages", folder]);
    expect(plan.stdout).toMatch(/RUN test -f/);
    expect(plan.stdout).toMatch(/RUN exit 3/);
    const failed = await world.tsbuild(["build", "--progress=plain", "--all-stages", folder]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("RUN exit 3");
    const wrong = await world.tsbuild([
      "build",
      "-o",
      `type=local,dest=${world.path("x")},target=dosc`,
      "--target",
      "docs",
      folder,
    ]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("did you mean docs?");
  }, 300_000);
});
