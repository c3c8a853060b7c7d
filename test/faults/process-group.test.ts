import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, main, missing, World } from "../e2e/world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: interrupts of process groups: ${reason}`);

describe.skipIf(reason !== undefined)("an interrupt of the whole process group, as Ctrl-C is one", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  /** Runs tsbuild as a process group of its own and interrupts that once the command has said so. */
  async function interrupted(
    args: readonly string[],
    signal: NodeJS.Signals,
  ): Promise<[number | null, string]> {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
      detached: true,
      env: { ...process.env, ...world.env, TSBUILD_ROOT: world.root },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let log = "";
    let isSent = false;
    const read = (chunk: Buffer): void => {
      log += chunk.toString();
      if (isSent || !log.includes("under way\n") || child.pid === undefined) return;
      isSent = true;
      process.kill(-child.pid, signal);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return [code, log];
  }

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("%s ends a command that runs, without a word of tsbuild's", async (signal, status) => {
    const command = "echo under way; sleep 60 & wait";
    expect(await interrupted(["run", "--network=host", "busybox", "sh", "-c", command], signal)).toEqual([
      status,
      "under way\n",
    ]);
  });

  test("SIGINT ends a build, which says that it was canceled", async () => {
    const folder = world.context("long", { Dockerfile: "FROM busybox\nRUN echo under way; sleep 60\n" });
    const [status, log] = await interrupted(["build", "--progress=plain", folder], "SIGINT");
    expect(status).toBe(130);
    expect(log).toMatch(/ERROR: the build was canceled/);
    expect(log).not.toMatch(/sandbox/);
  });
});
