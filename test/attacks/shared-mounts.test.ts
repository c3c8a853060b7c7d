/** Mounts below a cache, which other steps write to at the same time: whoever looks a name up there meets what they want to be met. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findProgram } from "../e2e/world.ts";
import { AttackWorld, compileProgram, RUNTIMES, skipReason } from "./support/attack.ts";

const reason = skipReason("shared-mounts.test.ts", "cc");

/** Seconds after which the program that swaps gives up by itself, should nobody stop it. */
const SWAP_SECONDS = 900;
/** Builds among which one meets either name, and enough of them to be in the middle of something. */
const [FEW, MANY] = [5, 200];

describe.skipIf(reason !== undefined)("mounts below a cache", () => {
  const world = new AttackWorld();
  const empty = join(world.outside, "empty");
  let swapProgram: Buffer;
  let count = 0;
  beforeAll(async () => {
    await world.start();
    compileProgram("swap", world.path("swap-program"));
    swapProgram = readFileSync(world.path("swap-program"));
  });
  afterAll(() => world.close());

  /** A step with a cache at /c; not by --no-cache, which empties caches. */
  const build = async (id: string, step: string, options: { mounts?: string; flags: readonly string[] }) => {
    const run = `RUN --mount=type=cache,id=${id},target=/c ${options.mounts ?? ""} : ${count++}; ${step}`;
    const lines = ["FROM busybox", "COPY --chmod=755 swap /swap", run];
    const folder = world.context(`mounts-${count}`, { Dockerfile: lines.join("\n"), swap: swapProgram });
    const { code, stdout, stderr } = await world.tsbuild(
      ["build", "--progress=plain", "--output=type=cacheonly", ...options.flags, folder],
      {},
    );
    return { code, log: stdout + stderr };
  };
  const expectUntouched = (): void => {
    expect(readdirSync(world.outside).sort()).toEqual(["busybox", "empty", "precious"]);
    expect(readdirSync(empty)).toEqual([]);
    expect(world.isIntact).toBe(true);
  };

  describe.each(RUNTIMES)("in the %s sandbox", (name, flags) => {
    // Fails when a target below a cache is made, or mounted on, at a joined string: a link leads it to the host.
    test("links of the cache lead targets to places of the step's root or nowhere", async () => {
      const id = `links-${name}`;
      const up = "../".repeat(24);
      const links = { e: empty, up: `${up}${empty.slice(1)}`, magic: `/proc/self/root${empty}`, b: "d" };
      const make = Object.entries(links).map(([link, to]) => `ln -s ${to} /c/${link}`);
      expect((await build(id, `mkdir /c/d; ${make.join("; ")}`, { flags })).code).toBe(0);
      for (const link of Object.keys(links)) {
        const mounts = `--mount=type=tmpfs,target=/c/${link}/made --mount=type=bind,from=busybox,target=/c/${link}/bound`;
        const { code, log } = await build(id, "grep -o '[^ ]*/made ' /proc/mounts", { mounts, flags });
        expect(log).not.toContain(world.text);
        // One link stays inside, and is followed.
        if (link === "b") expect(log, String(code)).toMatch(/^#\d+ [\d.]+ \/c\/d\/made ?$/m);
        else expect(code, log).toBe(1);
        expectUntouched();
      }
    });

    /*
     * Fails when the target in the cache's folder is resolved by a joined string: the mount is the host's then. A target that is met under
     * both names, or not at all, proves that mounts were made in the middle of the swapping.
     */
    test("targets stay in the step's root while somebody swaps what is above them (CVE-2024-23651, CVE-2024-45310)", {
      timeout: 600_000,
    }, async () => {
      const id = `race-${name}`;
      const swap = `mkdir /c/d; ln -s ${empty} /c/e; /swap /c/d /c/e ${SWAP_SECONDS} /c/stop`;
      const swapping = build(id, swap, { flags });
      const met = new Set<string>();
      try {
        await build(id, "until [ -L /c/d ] || [ -L /c/e ]; do sleep 0.01; done", { flags });
        for (let n = 0; n < FEW || (n < MANY && met.size < 2); n++) {
          const step = `grep -o '[^ ]*/made${n} ' /proc/mounts; cat /c/d/* /c/e/* 2> /dev/null; true`;
          const mounts = `--mount=type=tmpfs,target=/c/d/made${n}`;
          const { code, log } = await build(id, step, { mounts, flags });
          expect(log).not.toContain(world.text);
          const folder = new RegExp(`^#\\d+ [\\d.]+ (/\\S+)/made${n} ?$`, "m").exec(log)?.[1];
          met.add(folder ?? (code === 1 && log.includes("1 failed") ? "nothing" : log));
          expectUntouched();
        }
      } finally {
        await build(id, "touch /c/stop", { flags });
      }
      expect((await swapping).log).toMatch(/swapped \d+ times/);
      const possible = ["/c/d", "/c/e", empty, "nothing"];
      expect([...met].filter((one) => !possible.includes(one))).toEqual([]);
      expect(met.size).toBeGreaterThan(1);
      expectUntouched();
    });
  });

  /*
   * Fails when a runtime is told of a mount that others can lead it away from: what it does then is a matter of its version (runc before
   * 1.1.14 makes targets by their names), and of luck. No race is needed to see what it is told.
   */
  test.skipIf(findProgram("runc") === undefined)(
    "a runtime finds every mount of the step made, and makes none itself (CVE-2024-45310)",
    async () => {
      const runtime = world.path("recording-runc");
      const seen = world.path("seen");
      const record = `for word; do [ "$last" = --bundle ] && cp "$word/config.json" ${seen} && cat /proc/self/mountinfo >> ${seen}; last=$word; done`;
      writeFileSync(runtime, `#!/bin/sh\n${record}\nexec runc "$@"\n`, { mode: 0o755 });
      const options = { flags: [`--oci-runtime=${runtime}`] };
      const mounts = [
        "--mount=type=tmpfs,target=/c/d/tmpfs",
        "--mount=type=bind,from=busybox,source=bin,target=/c/bind/deep",
        "--mount=type=cache,id=inner,target=/c/d/cache",
        "--mount=type=tmpfs,target=/other",
      ].join(" ");
      const { code, log } = await build("told", "ls /c/bind/deep", { ...options, mounts });
      expect(code, log).toBe(0);
      expect(log).toMatch(/^#\d+ [\d.]+ busybox$/m);
      const [config = "", ...mountinfo] = readFileSync(seen, "utf8").split(/(?<=\})(?=\d+ \d+ \d+:\d+ )|\n/);
      const told = (JSON.parse(config) as { mounts: { destination: string }[] }).mounts;
      expect(
        told.map(({ destination }) => destination).filter((path) => !/^\/(proc|dev|sys)(\/|$)/.test(path)),
      ).toEqual([]);
      const made = mountinfo.flatMap((line) => /^(?:\S+ ){4}\S+\/rootfs(\/\S+) /.exec(line)?.[1] ?? []);
      const step = ["/c", "/c/bind/deep", "/c/d/cache", "/c/d/tmpfs", "/other"];
      expect(made.filter((path) => !path.startsWith("/etc/")).sort()).toEqual(step);
    },
  );
});
