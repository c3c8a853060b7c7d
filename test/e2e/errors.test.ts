import { existsSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end errors: ${reason}`);

describe.skipIf(reason !== undefined)("bad input", () => {
  let world: World;
  beforeAll(async () => {
    world = new World();
    await importBusybox(world);
  });
  afterAll(() => world.close());

  async function fails(name: string, dockerfile: string, ...flags: string[]): Promise<string> {
    const folder = world.context(name, { Dockerfile: dockerfile });
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", ...flags, folder]);
    expect(code).not.toBe(0);
    return stderr;
  }

  test("an unknown instruction: line, word, what was meant", async () => {
    const log = await fails("unknown", "FROM busybox\n\nRUNN echo hi\n");
    expect(log).toMatch(/Dockerfile:3/);
    expect(log).toMatch(/RUNN/);
    expect(log).toMatch(/did you mean.*RUN/i);
  });

  test("a file that is not there", async () => {
    const log = await fails("nofile", "FROM busybox\nCOPY nothing.txt /x\n");
    expect(log).toMatch(/nothing\.txt.*not found/);
    expect(log).toMatch(/Dockerfile:2/);
  });

  test("a RUN that fails: its log, its code, its line; earlier steps stay cached", async () => {
    const dockerfile = "FROM busybox\nRUN echo fine > /x\nRUN echo before; exit 42\n";
    const log = await fails("failing", dockerfile, "-t", "failing");
    expect(log).toMatch(/exit code: 42/);
    expect(log).toMatch(/Dockerfile:3/);
    expect(log).toMatch(/before/);
    const again = await fails("failing", dockerfile, "-t", "failing");
    expect(again).toMatch(/RUN echo fine[^\n]*\n#\d+ CACHED/);
    expect((await world.ok(["images"])).stdout).not.toMatch(/failing/);
  });

  test("a registry that is not there", async () => {
    const log = await fails("noregistry", "FROM 127.0.0.1:9/x\nRUN true\n");
    expect(log).toMatch(/cannot reach 127\.0\.0\.1:9/);
    expect(log).toMatch(/Dockerfile:1/);
  });

  test("an output that cannot be written leaves nothing behind", async () => {
    const folder = world.context("badout", { Dockerfile: "FROM busybox\nRUN true\n" });
    const dest = world.path("no/such/folder/x.tar");
    const { code, stderr } = await world.tsbuild([
      "build",
      "--progress=plain",
      "-o",
      `type=oci,dest=${dest}`,
      folder,
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no\/such\/folder/);
    expect(existsSync(world.path("no"))).toBe(false);
  });

  test("wrong flags exit with 2", async () => {
    const { code, stderr } = await world.tsbuild(["build", "--tagg", "x", "."]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--tag/);
  });

  test("nothing half-written stays in the state folder", async () => {
    await world.settled();
    const leftovers = readdirSync(world.root, { recursive: true, encoding: "utf8" }).filter((path) =>
      /ingest|\.tmp/.test(path),
    );
    expect(leftovers).toEqual([]);
  });
});
