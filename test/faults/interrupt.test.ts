import { closeSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { fsck, openStore } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { mountsOf, runningCommands } from "../e2e/processes.ts";
import { importBusybox, missing, World } from "../e2e/world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: interrupted builds: ${reason}`);

describe.skipIf(reason !== undefined)("builds that are disturbed", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s stops everything at once", async (signal, status) => {
    const marker = `sleep 27182${status}`;
    const folder = world.context(signal, {
      Dockerfile: [
        "FROM busybox AS other",
        `RUN trap '' TERM INT; ${marker}`,
        "FROM busybox",
        `RUN echo started-$((40+2)); (${marker} &); ${marker}`,
        "COPY --from=other / /other",
      ].join("\n"),
    });
    const { code, stderr, afterSignalMs } = await world.tsbuild(
      ["build", "--progress=plain", "-t", "never", folder],
      {
        signalOn: { match: /started-42/, signal },
      },
    );
    expect(code, stderr).toBe(status);
    // The steps sleep for hours: half a minute is a slow machine, not a build that waits.
    expect(afterSignalMs).toBeLessThan(30_000);
    console.log(`${signal}: ended after ${Math.round(afterSignalMs ?? 0)} ms`);
    expect(runningCommands(marker)).toEqual([]);
    expect(mountsOf(world.folder)).toEqual([]);
    expect((await world.ok(["images"])).stdout).not.toMatch(/never/);
    world.context(signal, { Dockerfile: "FROM busybox\nRUN echo again > /x\n" });
    await world.build(folder, "-t", signal.toLowerCase());
  });

  test("a file that changes while it is copied is an error, and no cached step", async () => {
    const folder = world.context("changing", {
      Dockerfile: "FROM busybox\nCOPY big /big\n",
      big: Buffer.alloc(100 * 1024 * 1024, "x"),
    });
    const fd = openSync(join(folder, "big"), "r+");
    let count = 0;
    const writer = setInterval(() => writeSync(fd, `${count++} `, 0), 2);
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", folder]);
    clearInterval(writer);
    closeSync(fd);
    expect(stderr).toMatch(/"?big"? in the build context changed while it was being copied/);
    expect(stderr).toMatch(/Dockerfile:2/);
    expect(code).toBe(1);
    await world.build(folder, "-t", "changed");
    expect(await world.inside("changed", "head", "-c", "3", "/big")).toBe(
      `${count - 1}`.padEnd(3).slice(0, 3),
    );
  });

  test("the state folder is as it should be", async () => {
    const store = await openStore({ root: world.root, native: nativeFs });
    try {
      expect(await fsck(store)).toEqual([]);
    } finally {
      await store.close();
    }
    await world.settled();
    const leftovers = readdirSync(world.root, { recursive: true, encoding: "utf8" }).filter((path) =>
      /ingest|\.tmp/.test(path),
    );
    expect(leftovers).toEqual([]);
  });
});
