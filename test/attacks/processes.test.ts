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
  echo "SEEN $name"
done
true`;

const MARKER = `precious-env-${process.pid}`;

const noContainer = skipReason("processes.test.ts", "setpriv", "unshare", "awk");

describe.skipIf(noContainer !== undefined)("in a container that hides parts of /proc", () => {
  const world = new AttackWorld();
  beforeAll(() => world.start());
  afterAll(() => world.close());

  /** Builds beside a process of the container with something precious in its environment; what the steps' LOOK printed, and all output. */
  async function lookAround(name: string, lines: readonly string[], ...flags: readonly string[]) {
    const folder = world.context(name, { Dockerfile: lines.join("\n"), look: LOOK });
    const [program = "", ...words] = [...hiding(`PRECIOUS=${MARKER} sleep 616161 & :`), ...bounding(KEPT)];
    const node = [process.execPath, "--disable-warning=ExperimentalWarning", main];
    const args = [...words, ...node, "build", "--progress=plain", ...flags, folder];
    const { code, stderr } = await run(program, args, { env: { TSBUILD_ROOT: world.root, ...world.env } });
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain(MARKER);
    expect(stderr).toContain("steps share this container's network and see its /proc");
    return stderr
      .split("\n")
      .flatMap((line) => /^#\d+ [\d.]+ ((?:READ|WROTE|SEEN) .*)$/.exec(line)?.[1] ?? []);
  }

  // Fails when a step has the builder's rights over its processes: in its user namespace with all capabilities, or its /proc writable.
  test("steps see builder, starter and container, and neither look into them nor change or end them", async () => {
    const said = await lookAround("look", [
      "FROM busybox",
      "COPY look /look",
      "RUN sh /look; kill -9 -1; true",
      "RUN echo still here",
    ]);
    expect(said.filter((line) => !line.startsWith("SEEN "))).toEqual([]);
    // The starter and two supervisors at least, the builder, and what was there before.
    expect(said.filter((line) => line === "SEEN tsbuild-sandbox").length).toBeGreaterThan(1);
    expect(said).toContain("SEEN sleep");
    expect(
      said.some((line) => /^SEEN (?:node|tsbuild\b(?!-))/.test(line)),
      said.join(),
    ).toBe(true);
  });

  // Fails when two steps are in one user namespace: of one user and with the same capabilities, the kernel lets each trace the other.
  test("nor into another step that runs at the same time", async () => {
    const cache = "RUN --mount=type=cache,target=/h,mode=777";
    const said = await lookAround(
      "siblings",
      [
        "FROM busybox AS base",
        "COPY look /look",
        "FROM base AS victim",
        `${cache} rm -f /h/*; cp /bin/busybox /tmp/victim; ln -s victim /tmp/awk; PRECIOUS=${MARKER.replace("-", "'-'")} /tmp/awk 'BEGIN { while (system("test -e /h/done") != 0) system(": > /h/up; sleep 0.1") }'`,
        "FROM base",
        `${cache} until [ -e /h/up ]; do sleep 0.1; done; sh /look; : > /h/done; touch /ended`,
        "COPY --from=victim /tmp/victim /",
      ],
      "--jobs=4",
    );
    expect(said.filter((line) => !line.startsWith("SEEN "))).toEqual([]);
    // The one that waits was there to be looked into.
    expect(said).toContain("SEEN awk");
  });
});
