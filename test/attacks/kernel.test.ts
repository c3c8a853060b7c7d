/** The kernel's surface: calls, files and devices that a step must not reach. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tarOf } from "../e2e/tar.ts";
import { AttackWorld, compileProgram, RUNTIMES, skipReason } from "./support/attack.ts";

const reason = skipReason("kernel.test.ts", "cc");

function reached(text: string): string[] {
  return [...text.matchAll(/\b(\w+) reached$/gm)].map(([, name = ""]) => name);
}

describe.skipIf(reason !== undefined)("the kernel behind a step", () => {
  const world = new AttackWorld();
  let program: Buffer;
  beforeAll(async () => {
    await world.start();
    compileProgram("kernel", world.path("kernel"));
    program = readFileSync(world.path("kernel"));
  });
  afterAll(() => world.close());

  // Fails when the machine refuses root itself: then the next test proves nothing.
  test("canary: without a sandbox root reaches nearly everything that the tests below count", () => {
    const other = spawn("sleep", ["60"]);
    const { stdout } = spawnSync(world.path("kernel"), [String(other.pid)], { encoding: "utf8" });
    other.kill();
    expect(reached(stdout).length).toBeGreaterThan(15);
    expect(reached(stdout)).toEqual(
      expect.arrayContaining(["mount", "ptrace_other", "read_other", "keyctl"]),
    );
  });

  const COPY = ["FROM busybox", "COPY --chmod=755 kernel /kernel"];

  // Fails when the filter, the capabilities, or the masks of /proc and /sys let one of the calls through.
  test.each(RUNTIMES)("in the %s sandbox it reaches none of it (B002, B003, B005)", async (name, flags) => {
    const archive = tarOf([{ name: "kernel", data: program, mode: 0o4755 }]);
    const steps = [
      ...[
        "ADD suid.tar /suid/",
        "RUN /kernel 1 && echo as-root",
        "USER alice",
        "RUN /kernel 1; echo as-alice",
      ],
      "RUN /suid/kernel 1; echo by-set-user-id",
    ];
    const files = { kernel: program, "suid.tar": archive };
    const { log, code } = await world.attempt([...COPY, ...steps], flags, { files });
    expect(code, log).toBe(0);
    expect(log).toMatch(
      /user 0$[\s\S]*as-root$[\s\S]*user 1000$[\s\S]*as-alice$[\s\S]*user 0$[\s\S]*by-set-user-id$/m,
    );
    // In runc PID 1 is the step's own shell.
    const own = name === "runc" ? ["ptrace_other", "read_other"] : [];
    expect(reached(log).filter((call) => !own.includes(call))).toEqual([]);
  });

  // Fails when a step is in the host's pid namespace, sees its /proc, or has the builder's environment in PID 1.
  test.each(RUNTIMES)("in the %s sandbox the host's processes are not there at all", async (_name, flags) => {
    const host = spawn("sleep", ["61.5"]);
    const script = `RUN ls -d /proc/[0-9]* | wc -l > /count; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2> /dev/null | tr '\\0' ' '; kill -9 ${host.pid} 2> /dev/null; kill -9 -1; true`;
    const { log } = await world.attempt(["FROM busybox", "RUN true", script], flags, {
      env: { BUILDER_TOKEN: "in-the-builders-environment" },
    });
    expect(
      log
        .split("\n")
        .filter((line) => !line.includes("RUN"))
        .join("\n"),
    ).not.toMatch(/sleep 61\.5|in-the-builders-environment/);
    expect(host.exitCode).toBe(null);
    expect(host.kill(0)).toBe(true);
    host.kill();
  });

  // Fails when a mask or a read-only mount is left out, is laid on a copy, or can be taken off by the step.
  test.each(RUNTIMES)(
    "in the %s sandbox masked files stay masked, read-only ones read-only",
    async (name, flags) => {
      // A mount over them is the step's own business, what is below stays as it was; in a runtime it is refused (shared-mounts).
      const above = name === "native" ? "--mount=type=tmpfs,target=/proc/bus" : "";
      const targets = [
        ...["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches"],
        ...["/proc/irq/default_smp_affinity", "/sys/kernel/mm/ksm/run", "/proc/bus/x"],
      ];
      const lines = targets.map((path) => `(echo 0 > ${path}) 2> /dev/null && echo WROTE ${path};`);
      const masked = "cat /proc/keys /proc/timer_list /proc/kcore 2> /dev/null | wc -c";
      const { log } = await world.attempt(
        [
          "FROM busybox",
          `RUN ${above} ${lines.join(" ")} mkdir /sys/fs/cgroup/*/attack 2> /dev/null && echo WROTE a group; mount -o remount,rw /proc/sys 2> /dev/null && echo REMOUNTED; umount /proc/keys 2> /dev/null && echo UNMOUNTED; echo bytes $(${masked})`,
        ],
        flags,
      );
      const output = log.split("\n").filter((line) => /^#\d+ \d/.test(line));
      expect(output.join("\n")).toMatch(/bytes 0$/m);
      expect(output.filter((line) => /WROTE (?!\/proc\/bus)|REMOUNTED|UNMOUNTED/.test(line))).toEqual([]);
    },
  );
});
