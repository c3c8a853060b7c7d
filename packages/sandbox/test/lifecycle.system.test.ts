import { type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createSandbox } from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { becomes, ownSupervisors, processesWith } from "./support/processes.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { execSpec } from "./support/spec.ts";
import { type StepOptions, Steps } from "./support/steps.ts";

const missing = missingForSystemTests();
if (missing !== undefined) console.warn(`tests of steps' ends skipped: ${missing}`);

const runOne = fileURLToPath(new URL("support/run-one.ts", import.meta.url));

describe.skipIf(missing !== undefined)("how a step ends", () => {
  let roots: TestRoots;
  let steps: Steps;
  beforeAll(() => {
    roots = new TestRoots();
    steps = new Steps(roots);
  });
  afterAll(() => roots.remove());

  describe("cancellation", () => {
    test("abort kills everything, also what ignores SIGTERM, before the promise settles", async () => {
      const abort = new AbortController();
      const running = steps.sh(
        "trap '' TERM INT HUP; (trap '' TERM; sleep 42.5) & echo up; sleep 42.5",
        {},
        { signal: abort.signal, onOutput: () => abort.abort() },
      );
      await expect(running).rejects.toMatchObject({ code: "TSB_CANCELED" });
      expect(processesWith("42.5")).toEqual([]);
    });

    test("a signal that is aborted already starts nothing", async () => {
      const signal = AbortSignal.abort();
      await expect(steps.sh("touch /src/x", {}, { signal })).rejects.toMatchObject({ code: "TSB_CANCELED" });
    });

    test("kill -9 of the builder kills the step", async () => {
      const root = await roots.open();
      const args = [runOne, "pipes", "sh", "-c", "echo up; trap '' TERM HUP; sleep 1043.75"];
      const stdio: StdioOptions = ["ignore", "pipe", "inherit", root.fd];
      const builder = spawn(process.execPath, args, { stdio });
      await once(builder.stdout ?? builder, "data");
      const appeared = await becomes(() => processesWith("1043.75").length > 0);
      builder.kill("SIGKILL");
      await once(builder, "exit");
      const vanished = await becomes(() => processesWith("1043.75").length === 0);
      expect({ appeared, vanished }).toEqual({ appeared: true, vanished: true });
      root.close();
    });
  });

  test("a caller that fails to take output ends the step and hears its own error", async () => {
    const onOutput = (): void => {
      throw new Error("disk full");
    };
    await expect(steps.sh("echo x; sleep 46.5", {}, { onOutput })).rejects.toThrow("disk full");
    expect(processesWith("46.5")).toEqual([]);
  });

  test("the step dies with its supervisor", async () => {
    const running = steps.sh(
      "echo up; trap '' TERM HUP; sleep 1045.25",
      {},
      {
        onOutput: () => {
          for (const pid of ownSupervisors()) process.kill(pid, "SIGKILL");
        },
      },
    );
    await expect(running).rejects.toMatchObject({
      message: "the sandbox program ended early (its socket was closed)",
    });
    expect(await becomes(() => processesWith("1045.25").length === 0)).toBe(true);
  });

  describe("limits", () => {
    const parent = "/tsbuild-test";
    const writable = existsSync("/sys/fs/cgroup/memory/cgroup.procs")
      ? "/sys/fs/cgroup/memory"
      : existsSync("/sys/fs/cgroup/cgroup.controllers")
        ? "/sys/fs/cgroup"
        : undefined;
    if (writable === undefined) console.warn("tests of limits skipped: no memory control group");
    const limited = test.skipIf(writable === undefined);
    afterAll(() => {
      for (const tree of ["", "cpu", "cpuacct", "cpuset", "memory", "pids"]) {
        const group = join("/sys/fs/cgroup", tree, parent);
        if (existsSync(group)) rmdirSync(group);
      }
    });

    limited("memory: the kernel's kill is told, the peak is measured, the group is removed", async () => {
      const cgroup = { parent, memoryBytes: 32 * 1024 * 1024 };
      const eater = "dd if=/dev/zero of=/dev/null bs=64M count=1";
      const result = await steps.sh(eater, { cgroup, id: "eater" });
      expect(result).toMatchObject({ exitCode: 137, signal: "SIGKILL", oomKilled: true });
      expect(result.peakMemoryBytes).toBeGreaterThan(16 * 1024 * 1024);
      expect(result.peakMemoryBytes).toBeLessThanOrEqual(32 * 1024 * 1024);
      expect(existsSync(join(writable ?? "", parent, "eater"))).toBe(false);
    });

    limited("the step sees its own group as the top", async () => {
      const cgroup = { parent, memoryBytes: 64 * 1024 * 1024, pids: 20 };
      const { stdout } = await steps.sh("grep -E ':memory:|^0::' /proc/self/cgroup | head -1", { cgroup });
      expect(stdout.trim()).toMatch(/:\/$/);
    });

    limited("processes", async () => {
      const cgroup = { parent, pids: 5 };
      const { stderr } = await steps.sh("for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait", { cgroup });
      expect(stderr).toMatch(/can't fork|Resource temporarily unavailable/);
    });
  });

  test("the reason comes through while most of the plan is still unread", async () => {
    const env = [`LONG=${"x".repeat(9 * 1024 * 1024)}`];
    for (let tries = 0; tries < 5; tries++) {
      await expect(steps.sh("true", { env })).rejects.toMatchObject({
        message: expect.stringMatching(/^cannot set up the sandbox: plan too large/),
      });
    }
  });

  describe("signals", () => {
    test("reach the command, not its children, and what has a handler goes on", async () => {
      let send: (signal: number) => void = () => undefined;
      const options: StepOptions = {
        onStart: (given) => {
          send = given;
        },
        onOutput: (text) => {
          if (text.includes("up")) send(10);
          if (text.includes("usr1")) send(15);
        },
      };
      const script = "trap 'echo usr1' USR1; echo up; while :; do sleep 0.05; done";
      const { exitCode, signal, stdout } = await steps.sh(
        script,
        { user: { uid: 1000, gid: 1000, additionalGids: [] } },
        options,
      );
      expect([exitCode, signal, stdout]).toEqual([143, "SIGTERM", "up\nusr1\n"]);
    });

    test("that come before the command wait for it", async () => {
      const { exitCode, signal } = await steps.sh("sleep 48.5", {}, { onStart: (send) => send(15) });
      expect([exitCode, signal]).toEqual([143, "SIGTERM"]);
    });

    test("that come after its end are lost", async () => {
      let send: (signal: number) => void = () => undefined;
      const onStart = (given: typeof send): void => {
        send = given;
      };
      expect(await steps.sh("exit 3", {}, { onStart })).toMatchObject({ exitCode: 3 });
      expect(() => send(15)).not.toThrow();
    });
  });

  test("a program that is not there is told as such", async () => {
    const root = await roots.open();
    const run = createSandbox({ binary: "/nowhere/tsbuild-sandbox" }).run(execSpec({ rootFd: root.fd }), {
      stdout: () => undefined,
      stderr: () => undefined,
      signal: new AbortController().signal,
    });
    await expect(run).rejects.toMatchObject({
      code: "TSB_SANDBOX",
      message: expect.stringMatching(/nowhere/),
    });
    root.close();
  });

  test("many steps at once keep their output apart", async () => {
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        steps.sh(`for i in 1 2 3; do echo ${index}; done; exit ${index}`),
      ),
    );
    expect(results.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual(
      Array.from({ length: 12 }, (_, index) => [index, `${index}\n`.repeat(3)]),
    );
  });
});
