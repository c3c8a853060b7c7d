import { nativeFs } from "@tsbuild/native-fs";
import { fsck, openStore } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "../e2e/world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: builds side by side: ${reason}`);

const COUNTED = "--mount=type=cache,id=counter,target=/c,sharing=locked";

describe.skipIf(reason !== undefined)("builds side by side in one state folder", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  /** How often each counted step has run. */
  async function runs(number: number): Promise<Record<string, number>> {
    const folder = world.context("count", {
      Dockerfile: `FROM busybox\nRUN ${COUNTED} cp /c/log /log # ${number}\n`,
    });
    await world.build(folder, "-t", "count");
    const lines = (await world.inside("count", "cat", "/log")).trim().split("\n");
    return Object.fromEntries(
      [...new Set(lines)].map((line) => [line, lines.filter((l) => l === line).length]),
    );
  }

  function context(name: string, generation: string): string {
    return world.context(`${generation}-${name}`, {
      Dockerfile: [
        "FROM busybox AS common",
        "COPY shared /shared/",
        `RUN ${COUNTED} echo ${generation}-first >> /c/log; sleep 0.4; echo 1 > /1`,
        `RUN ${COUNTED} echo ${generation}-second >> /c/log; sleep 0.2; echo 2 > /2`,
        "FROM common",
        "COPY own /own",
        `RUN ${COUNTED} echo ${generation}-${name} >> /c/log; cat /1 /2 /own > /all`,
      ].join("\n"),
      "shared/file": generation,
      own: `${name}\n`,
    });
  }

  test.each([
    [1, ["a", "b"]],
    [2, ["a", "b", "c", "d"]],
  ] as const)("round %i: each shared step runs once, whoever is first (%j)", async (round, names) => {
    const generation = `round${round}`;
    const folders = names.map((name) => context(name, generation));
    await Promise.all(folders.map((folder, i) => world.build(folder, "-t", `${generation}-${names[i]}`)));
    const counts = Object.entries(await runs(round)).filter(([step]) => step.startsWith(generation));
    expect(Object.fromEntries(counts)).toEqual(
      Object.fromEntries(["first", "second", ...names].map((step) => [`${generation}-${step}`, 1])),
    );
    for (const name of names)
      expect(await world.inside(`${generation}-${name}`, "cat", "/all")).toBe(`1\n2\n${name}\n`);
  });

  test("a state folder that nobody has made yet", async () => {
    const fresh = new World();
    try {
      const folder = fresh.context("scratch", { Dockerfile: "FROM scratch\nCOPY a /\n", a: "a" });
      const outs = [1, 2, 3].map((n) => fresh.path(`out${n}`));
      await Promise.all(outs.map((out) => fresh.build(folder, "-o", out)));
    } finally {
      fresh.close();
    }
  });

  test("the store is as it should be", async () => {
    const store = await openStore({ root: world.root, native: nativeFs });
    try {
      expect(await fsck(store)).toEqual([]);
    } finally {
      await store.close();
    }
  });
});
