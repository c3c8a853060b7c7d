/** Steps that do not want to end, steps that want more than there is, and steps that see processes which are not theirs. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bounding, hiding, KEPT } from "../e2e/contained.ts";
import { runningCommands } from "../e2e/processes.ts";
import { main, run } from "../e2e/world.ts";
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
        [
          "FROM busybox",
          `RUN ${daemon(sleep)}; until ps | grep '[7]17171'; do sleep 0.1; done | grep -c sleep`,
        ],
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

/** What a step can do to the processes that it sees and that are not its own, one line each, and whom it saw. */
const LOOK = `mine=$(readlink /proc/self/ns/pid)
for p in /proc/[0-9]*; do
  [ "$(readlink $p/ns/pid 2>/dev/null)" = "$mine" ] && continue
  name=$(cat $p/comm 2>/dev/null) || continue
  for f in environ maps auxv mem stack syscall smaps; do head -c 1 $p/$f >/dev/null 2>&1 && echo "READ $name $f"; done
  for f in root cwd; do ls $p/$f/ >/dev/null 2>&1 && echo "READ $name $f"; done
  for f in exe fd/0 fd/1 fd/2 fd/3 fd/4; do readlink $p/$f >/dev/null 2>&1 && echo "READ $name $f"; done
  for f in mem comm oom_score_adj coredump_filter clear_refs timerslack_ns autogroup uid_map; do
    (: >>$p/$f) >/dev/null 2>&1 && echo "WROTE $name $f"
  done
  kill -9 \${p#/proc/} 2>/dev/null
  echo "SEEN $name"
done
kill -9 -1
true`;

const noContainer = skipReason("processes.test.ts", "setpriv", "unshare", "awk");

describe.skipIf(noContainer !== undefined)("in a container that hides parts of /proc", () => {
  const world = new AttackWorld();
  beforeAll(() => world.start());
  afterAll(() => world.close());

  // Fails when a step has the builder's rights over its processes: in its user namespace with all capabilities, or its /proc writable.
  test("steps see builder, starter and container, and neither look into them nor change or end them", async () => {
    const folder = world.context("look", {
      Dockerfile: "FROM busybox\nCOPY look /look\nRUN sh /look\nRUN echo still here\n",
      look: LOOK,
    });
    const marker = `precious-env-${process.pid}`;
    const [program = "", ...words] = [...hiding(`PRECIOUS=${marker} sleep 616161 & :`), ...bounding(KEPT)];
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", main];
    const args = [...words, ...node, "build", "--progress=plain", "--no-cache", folder];
    const { code, stderr } = await run(program, args, { env: { TSBUILD_ROOT: world.root, ...world.env } });
    expect(code, stderr).toBe(0);
    const said = stderr
      .split("\n")
      .flatMap((line) => /^#\d+ [\d.]+ ((?:READ|WROTE|SEEN) .*)$/.exec(line)?.[1] ?? []);
    expect(said.filter((line) => !line.startsWith("SEEN "))).toEqual([]);
    expect(stderr).not.toContain(marker);
    // The starter and two supervisors at least, the builder, and what was there before.
    expect(said.filter((line) => line === "SEEN tsbuild-sandbox").length).toBeGreaterThan(1);
    expect(said).toContain("SEEN sleep");
    expect(
      said.some((line) => /^SEEN (?:node|tsbuild\b(?!-))/.test(line)),
      said.join(),
    ).toBe(true);
    expect(stderr).toContain("steps share this container's network and see its /proc");
  });
});
