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

  test("eight at once, two of them killed, prunes beside them: every step of the others runs once", async () => {
    const generation = "eight";
    const words = ["a", "b", "c", "d", "e", "f", "g", "h"];
    const folders = words.map((name) => context(name, generation));
    const runs8 = folders.map((folder, i) => {
      const flags = ["build", "--progress=plain", "-t", `${generation}-${words[i]}`, folder];
      // The first come hold the lock of the step that all wait for.
      return world.tsbuild(flags, i < 2 ? { killAfterMs: 900 + i * 150 } : {});
    });
    const prunes = [1, 2, 3].map(() => world.tsbuild(["prune", "-f"]));
    const finished = await Promise.all(runs8);
    for (const prune of await Promise.all(prunes)) expect(prune.code, prune.stderr).toBe(0);
    for (const [i, { code, stderr }] of finished.entries()) {
      if (i >= 2) expect(code, stderr).toBe(0);
      else expect([0, 137], stderr).toContain(code);
    }
    const counts = await runs(8);
    for (const [i, name] of words.entries()) {
      if (i >= 2) expect(counts[`${generation}-${name}`], name).toBe(1);
    }
    // A step that was killed half-way ran, and was run again by the next in line: once for each that was killed.
    const killed = finished.filter(({ code }) => code === 137).length;
    for (const shared of ["first", "second"]) {
      expect(counts[`${generation}-${shared}`]).toBeGreaterThanOrEqual(1);
      expect(counts[`${generation}-${shared}`]).toBeLessThanOrEqual(1 + killed);
    }
  });

  test("who waits for a locked cache says so, and gets it when its holder is killed", async () => {
    const step =
      "echo $N >> /c/log; echo began-$((40 + 2)); test $N = b || sleep 600; echo $(cat /c/log) | sed 's/^/log: /'";
    const folder = world.context("holder", {
      Dockerfile: `FROM busybox\nARG N\nRUN --mount=type=cache,id=held,target=/c,sharing=locked ${step}\n`,
    });
    const args = (name: string) => ["build", "--progress=plain", `--build-arg=N=${name}`, folder];
    const killer = new AbortController();
    const begun = Promise.withResolvers<void>();
    const holder = world.tsbuild(args("a"), {
      kill: killer.signal,
      heard: { match: /began-42/, action: begun.resolve },
    });
    await Promise.race([begun.promise, holder]);
    const waiting = { match: /tsbuild: waits for the cache mount at \/c,/, action: () => killer.abort() };
    const { code, stderr } = await world.tsbuild(args("b"), { heard: waiting });
    killer.abort();
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/ log: a b$/m);
    expect((await holder).code).toBe(137);
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
