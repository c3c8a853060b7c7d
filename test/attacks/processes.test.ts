/** Steps that do not want to end, and steps that want more than there is. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runningCommands } from "../e2e/processes.ts";
import { AttackWorld, RUNTIMES, skipReason } from "./support/attack.ts";

const reason = skipReason("processes.test.ts");

/** Ignores every signal that can be, in a session of its own, twice forked, with its streams elsewhere. */
function daemon(sleep: string): string {
  return `(trap '' TERM HUP INT QUIT PIPE; (setsid sh -c "trap '' TERM HUP INT QUIT; ${sleep} & ${sleep}" > /dev/null 2>&1 < /dev/null &) &)`;
}

describe.skipIf(reason !== undefined)("steps that do not end by themselves", () => {
  const world = new AttackWorld();
  beforeAll(() => world.start());
  afterAll(() => world.close());

  describe.each(RUNTIMES)("in the %s sandbox", (_name, flags) => {
    // Fails when the end of a step is the end of its command: without the namespace whose PID 1 ends last.
    test("a daemon ends with its step, whatever it ignores", async () => {
      const sleep = "sleep 717171";
      const { code, log } = await world.attempt(
        ["FROM busybox", `RUN ${daemon(sleep)}; sleep 0.3; ps | grep -c '[7]17171'`],
        flags,
      );
      expect(code, log).toBe(0);
      // The daemon did run.
      expect(log).toMatch(/^#\d+ [\d.]+ [1-9]$/m);
      expect(runningCommands(sleep)).toEqual([]);
    });

    // Fails when a step is asked to end (SIGTERM) and waited for, or only its own process group is killed.
    test("an interrupt ends a step that ignores signals, with all that it forked, at once", async () => {
      const sleep = "sleep 727272";
      const many = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); sleep 727272 & done";
      const folder = world.context("ignores", {
        Dockerfile: `FROM busybox\nRUN trap '' TERM HUP INT; ${daemon(sleep)}; ${many}; echo "up""and""running"; sleep 727272\n`,
      });
      const ended = await world.tsbuild(["build", "--progress=plain", "--no-cache", ...flags, folder], {
        signalOn: { match: /upandrunning/, signal: "SIGINT" },
      });
      expect(ended.code, ended.stderr).toBe(130);
      expect(ended.afterSignalMs).toBeLessThan(60_000);
      expect(runningCommands(sleep)).toEqual([]);
    });

    // Fails when the limit of processes is not set, or on the builder's own group.
    test("a fork bomb under --resource pids meets its limit, and the build says so", async () => {
      const bomb = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); sleep 737373 & done; echo done";
      const limited = await world.attempt(["FROM busybox", `RUN ${bomb}`], [...flags, "--resource=pids=40"]);
      // Canary: without the limit the same step succeeds.
      const free = await world.attempt(["FROM busybox", `RUN ${bomb}`], flags);
      expect(free.code, free.log).toBe(0);
      expect(limited.log).toMatch(/can't fork|Resource temporarily unavailable/);
      expect(limited.code).toBe(1);
      expect(runningCommands("sleep 737373")).toEqual([]);
    });
  });
});
