import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, findProgram, missing, World } from "./world.ts";

const why = missing("runc", "busybox");
if (why !== undefined) process.stderr.write(`oci-runtime.test.ts: skipped: ${why}\n`);

describe.skipIf(why !== undefined)("steps in an OCI runtime", () => {
  let world: World;
  const containers = (): string[] => readdirSync(join(world.root, "oci-runtime"));

  beforeAll(async () => {
    world = new World();
    await world.ok(["import", await busyboxTar(world), "busybox:latest"]);
  });
  afterAll(() => world.close());

  const runc = (...args: readonly string[]) => world.tsbuild(["run", "--oci-runtime=runc", ...args]);

  test("end with the command's status, of signals and of programs that cannot be executed", async () => {
    const ended = await Promise.all(
      ["exit 42", "sh -c 'kill -9 $$'; exit $?", "exit 0"].map((script) =>
        runc("busybox", "sh", "-c", script),
      ),
    );
    expect(ended.map(({ code }) => code)).toEqual([42, 137, 0]);
    expect((await runc("busybox", "/no/such/program")).code).toBe(127);
    expect((await runc("busybox", "/etc")).code).toBe(126);
  });

  test("keep the streams apart and leave no container behind", async () => {
    const { stdout, stderr } = await runc("--network=host", "busybox", "sh", "-c", "echo out; echo err >&2");
    expect([stdout, stderr]).toEqual(["out\n", "err\n"]);
    expect(containers()).toEqual([]);
  });

  test("die whole when the build is canceled, whatever they ignore", async () => {
    const marker = `31${process.pid}`;
    const folder = world.context("cancel", {
      Dockerfile: `FROM busybox\nRUN trap '' TERM INT; echo started; sleep ${marker} & sleep ${marker}; wait\n`,
    });
    const ended = await world.tsbuild(["build", "--progress=plain", "--oci-runtime=runc", folder], {
      signalOn: { match: /started\n/, signal: "SIGINT" },
    });
    expect(ended.code).toBe(130);
    expect(running(marker)).toBe(0);
    expect(containers()).toEqual([]);
  });

  test("die with a builder that is killed; the next build removes their remains", async () => {
    const marker = `32${process.pid}`;
    const folder = world.context("killed", {
      Dockerfile: `FROM busybox\nRUN echo started; sleep ${marker}\n`,
    });
    await world.tsbuild(["build", "--progress=plain", "--oci-runtime=runc", folder], {
      signalOn: { match: /started\n/, signal: "SIGKILL" },
    });
    await expect.poll(() => running(marker), { timeout: 30_000 }).toBe(0);
    expect(containers()).toHaveLength(1);
    await runc("busybox", "true");
    expect(containers()).toEqual([]);
  });

  test("mounts tell a step nothing of where layers lie on the host, in either sandbox", async () => {
    for (const flags of [[], ["--oci-runtime=runc"]]) {
      const { stdout } = await world.ok(["run", ...flags, "busybox", "cat", "/proc/self/mounts"]);
      expect(stdout).toMatch(/^\S+ \/ overlay .*upperdir=\/proc\/self\/fd\/\d+/m);
      expect(stdout).not.toContain(world.folder);
    }
  });

  test("a runtime that is not there, or not willing, is named", async () => {
    const absent = await world.tsbuild(["run", "--oci-runtime=nosuch", "busybox", "true"]);
    expect(absent.code).toBe(125);
    expect(absent.stderr).toContain('the OCI runtime "nosuch" is not installed');
    if (findProgram("crun") === undefined || existsSync("/sys/fs/cgroup/cgroup.controllers")) return;
    const crun = await world.tsbuild(["run", "--oci-runtime=crun", "busybox", "true"]);
    expect(crun.stderr).toMatch(/crun: .*cgroup/);
    expect(crun.stderr).toContain("--oci-runtime=runc");
  });
});

/** Processes of this machine with a word on their command line. */
function running(word: string): number {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => commandLine(pid).split("\0").includes(word)).length;
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    // It has ended since the folder was read.
    return "";
  }
}
