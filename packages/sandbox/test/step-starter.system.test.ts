/** The process that starts steps: what it promises when it, the builder or a step fares badly. */
import { type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { nativeFs } from "@tsbuild/native-fs";
import { type DescriptorSockets, stepPacket } from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { becomes, ownSupervisors, processesWith, programsOf } from "./support/processes.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { Steps } from "./support/steps.ts";

const missing = missingForSystemTests();
if (missing !== undefined) console.warn(`tests of the process that starts steps skipped: ${missing}`);

const runOne = fileURLToPath(new URL("support/run-one.ts", import.meta.url));

function openFiles(pid: number | "self"): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Those of this process, with other bytes or another end for what is sent. */
function sockets(changes: Partial<DescriptorSockets>): DescriptorSockets {
  return { ...nativeFs, ...changes };
}

describe.skipIf(missing !== undefined)("the process that starts steps", () => {
  let roots: TestRoots;
  /** Node's own, such as of listeners that pile up: they would stand in a build's output. */
  const warnings: Error[] = [];
  beforeAll(() => {
    roots = new TestRoots();
    process.on("warning", (warning) => void warnings.push(warning));
  });
  afterAll(() => {
    roots.remove();
    expect(warnings).toEqual([]);
  });

  async function withSteps<T>(
    work: (steps: Steps, starter: () => number | undefined) => Promise<T>,
    given?: DescriptorSockets,
  ): Promise<T> {
    const before = new Set(programsOf(process.pid, "serve"));
    const steps = new Steps(roots, given);
    const starter = (): number | undefined =>
      programsOf(process.pid, "serve").find((pid) => !before.has(pid));
    try {
      return await work(steps, starter);
    } finally {
      steps.close();
      expect(await becomes(() => starter() === undefined)).toBe(true);
    }
  }

  test("is one for all steps, and keeps nothing of those that have ended", async () => {
    await withSteps(async (steps, starter) => {
      await steps.sh("true");
      const pid = starter() ?? 0;
      const before = [openFiles("self"), openFiles(pid)];
      for (let round = 0; round < 10; round++)
        await Promise.all(Array.from({ length: 20 }, () => steps.sh("exit 0")));
      expect(starter()).toBe(pid);
      expect(openFiles(pid)).toBe(3);
      expect(await becomes(() => ownSupervisors().length === 0)).toBe(true);
      expect(await becomes(() => openFiles("self") <= (before[0] ?? 0))).toBe(true);
    });
  });

  test("leaves a step with nothing open but its streams", async () => {
    await withSteps(async (steps) => {
      const { stdout } = await steps.sh("ls /proc/self/fd; readlink /proc/self/fd/0");
      expect(stdout).toMatch(/^0\n1\n2\n3\n\/dev\/null\n/);
      const status = await steps.run({ args: ["cat", "/proc/self/status"] });
      expect(status.stdout).toMatch(/^SigBlk:\t0+\nSigIgn:\t0+$/m);
    });
  });

  test("may be killed: steps that run go on, the next get another", async () => {
    await withSteps(async (steps, starter) => {
      let [before, killed] = [0, false];
      const onOutput = (): void => {
        if (killed) return;
        killed = true;
        before = starter() ?? 0;
        process.kill(before, "SIGKILL");
      };
      expect(await steps.sh("echo up; sleep 0.5; echo on", {}, { onOutput })).toMatchObject({
        stdout: "up\non\n",
        exitCode: 0,
      });
      expect(await becomes(() => starter() === undefined)).toBe(true);
      expect(await steps.sh("echo again")).toMatchObject({ stdout: "again\n" });
      expect(await steps.sh("echo more")).toMatchObject({ stdout: "more\n" });
      expect(starter()).not.toBe(before);
      expect(starter()).toBeDefined();
    });
  });

  test("is out of reach for steps that kill and stop all they see", async () => {
    await withSteps(async (steps, starter) => {
      await steps.sh("true");
      const pid = starter();
      await steps.sh("kill -STOP -1; kill -TERM -1; kill -KILL -1; kill -KILL 0; true");
      for (const signal of ["STOP", "KILL"]) await steps.sh(`kill -${signal} ${pid}; true`);
      expect(await steps.sh("echo fine")).toMatchObject({ stdout: "fine\n", exitCode: 0 });
      expect(starter()).toBe(pid);
    });
  });

  test("ends with a builder that is killed, and so do its steps", async () => {
    const root = await roots.open();
    const args = [runOne, "pipes", "sh", "-c", "echo up; trap '' TERM HUP; sleep 49.25"];
    const stdio: StdioOptions = ["ignore", "pipe", "inherit", root.fd];
    const builder = spawn(process.execPath, args, { stdio });
    await once(builder.stdout ?? builder, "data");
    const [starter = 0] = programsOf(builder.pid ?? 0, "serve");
    const supervisors = programsOf(starter, "serve");
    expect(supervisors).toHaveLength(1);
    builder.kill("SIGKILL");
    await once(builder, "exit");
    const left = (): string[] =>
      processesWith("sealed").filter((pid) => [starter, ...supervisors].includes(Number(pid)));
    expect(await becomes(() => processesWith("49.25").length === 0 && left().length === 0)).toBe(true);
    root.close();
  });

  const spoilt: readonly (readonly [string, string, (bytes: Uint8Array) => Uint8Array])[] = [
    ["a packet of another kind", "recvmsg not a step: Bad message", () => Buffer.from("TSBSTEP2\x01\0\0\0")],
    ["one that is cut", "recvmsg wrong size: Bad message", (bytes) => bytes.subarray(0, 11)],
    ["one that is too long", "recvmsg wrong size: Bad message", () => Buffer.alloc(4096)],
    ["one of nothing", "recvmsg wrong number of descriptors: Bad message", () => stepPacket(0)],
    ["one of too much", "recvmsg wrong number of descriptors: Bad message", () => stepPacket(2 ** 32 - 1)],
    ["one of more than comes", "recvmsg other descriptors than announced: Bad message", () => stepPacket(77)],
  ];
  test.each(spoilt)("refuses %s, and the step says so", async (_what, message, spoil) => {
    let spoils = true;
    const sendDescriptors: DescriptorSockets["sendDescriptors"] = (socket, bytes, fds) => {
      nativeFs.sendDescriptors(socket, spoils ? spoil(bytes) : bytes, fds);
      spoils = false;
    };
    await withSteps(async (steps) => {
      await expect(steps.sh("true")).rejects.toMatchObject({
        code: "TSB_SANDBOX",
        message: `the sandbox program ended early (${message})`,
      });
      expect(await steps.sh("echo next")).toMatchObject({ stdout: "next\n" });
    }, sockets({ sendDescriptors }));
  });

  test("what does not come through goes without it; another failure is an error", async () => {
    let code = "EAGAIN";
    const sendDescriptors = (): never => {
      throw Object.assign(new Error(`cannot send: ${code}`), { code });
    };
    await withSteps(async (steps) => {
      expect(await steps.sh("echo alone")).toMatchObject({ stdout: "alone\n" });
      const before = openFiles("self");
      code = "EBADF";
      await expect(steps.sh("true")).rejects.toThrow("cannot send: EBADF");
      expect(await becomes(() => openFiles("self") <= before)).toBe(true);
    }, sockets({ sendDescriptors }));
  });

  test("more descriptors than a message takes go without it", async () => {
    const mounts = Array.from({ length: 260 }, (_, index) => ({
      type: "bind" as const,
      fd: nativeFs.openFolder(roots.folder),
      sourcePath: "",
      kind: "folder" as const,
      dest: `/mnt/m${index}`,
      readonly: true,
    }));
    await withSteps(async (steps, starter) => {
      const { stdout } = await steps.sh("ls /mnt | wc -l", {
        mounts: [{ type: "tmpfs", dest: "/mnt", mode: 0o755 }, ...mounts],
      });
      expect(stdout).toBe("260\n");
      expect(starter()).toBeUndefined();
    });
    for (const mount of mounts) nativeFs.close(mount.fd);
  });
});
