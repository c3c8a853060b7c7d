/** Steps whose namespaces and mounts were made before they were known. */
import { nativeFs } from "@tsbuild/native-fs";
import type { ExecSpec } from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { becomes, ownSupervisors, programsOf } from "./support/processes.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { execSpec } from "./support/spec.ts";
import { Steps } from "./support/steps.ts";

const missing = missingForSystemTests();
if (missing !== undefined) console.warn(`tests of steps that are expected skipped: ${missing}`);

/** What a step can tell of its world, without what is its own: numbers of namespaces and devices. */
const LOOK = [
  "cat /proc/self/status | grep -E '^(Cap|Seccomp:|NoNewPrivs|Sig[BIC]|Groups)'",
  "cut -d' ' -f5- /proc/self/mountinfo | sed -E 's/(master|shared):[0-9]+ //; s/,?(size|nr_inodes|inode64)[^ ,]*//g; s/upperdir[^ ]*//; s/lowerdir[^ ]*//; s/workdir[^ ]*//' | sort",
  "ls -lA /dev /proc/self/fd /proc/acpi /sys/firmware 2>&1 | sed -E 's/[A-Z][a-z]{2} +[0-9]+ +[0-9:]+//; s/(pipe|socket|anon_inode):[^ ]*//; s/-> .proc.[0-9]+.fd//'",
  "hostname; pwd; id; umask; readlink /proc/self/fd/0; cat /proc/self/cgroup; ip addr 2>&1 | grep -v link",
  "echo x > /proc/sysrq-trigger; mount -t tmpfs none /mnt; cat /proc/kcore | wc -c; mknod /tmp/n b 1 0; cat /tmp/n",
].join("; ");

describe.skipIf(missing !== undefined)("a step that was expected", () => {
  let roots: TestRoots;
  beforeAll(() => {
    roots = new TestRoots();
  });
  afterAll(() => roots.remove());

  async function withSteps<T>(work: (steps: Steps) => Promise<T>, given?: typeof nativeFs): Promise<T> {
    const steps = new Steps(roots, given);
    try {
      return await work(steps);
    } finally {
      steps.close();
      expect(await becomes(() => ownSupervisors().length === 0)).toBe(true);
    }
  }

  /** Sockets that count the second halves. */
  function counting(): { readonly sockets: typeof nativeFs; readonly halves: () => number } {
    let halves = 0;
    const sockets: typeof nativeFs = {
      ...nativeFs,
      sendDescriptors: (socket, bytes, fds) => {
        if (Buffer.from(bytes).toString("latin1", 0, 8) === "TSBPLAN1") halves++;
        nativeFs.sendDescriptors(socket, bytes, fds);
      },
    };
    return { sockets, halves: () => halves };
  }

  const look: Partial<ExecSpec> = { args: ["sh", "-c", LOOK] };

  test.each<[string, Partial<ExecSpec>]>([
    ["by default", {}],
    ["without a network", { network: "none" }],
    ["with the host's network", { network: "host" }],
    ["insecure", { security: "insecure" }],
    [
      "with a read-only root, another user and host name",
      {
        readonlyRoot: true,
        hostname: "other",
        user: { uid: 12, gid: 34, additionalGids: [56] },
      },
    ],
  ])("sees what any other sees: %s", async (_, changes) => {
    const { sockets, halves } = counting();
    await withSteps(async (steps) => {
      const plain = await steps.run({ ...look, ...changes });
      steps.expect(execSpec({ rootFd: 0, ...changes }));
      const expected = await steps.run({ ...look, ...changes });
      expect([expected.stdout, expected.stderr]).toEqual([plain.stdout, plain.stderr]);
      expect(expected.exitCode).toBe(plain.exitCode);
      expect(halves()).toBe(1);
    }, sockets);
  });

  test("is taken by its own kind alone, and given up when another kind comes unexpected", async () => {
    const { sockets, halves } = counting();
    await withSteps(async (steps) => {
      const run = async (network: "host" | "none") => {
        expect((await steps.run({ args: ["true"], network })).exitCode).toBe(0);
        return halves();
      };
      for (const network of ["host", "none"] as const) steps.expect(execSpec({ rootFd: 0, network }));
      const both = [await run("none"), await run("host")];
      /* Where one is made ready at a time, the second was not yet. */
      expect([
        [0, 1],
        [1, 2],
      ]).toContainEqual(both);
      steps.expect(execSpec({ rootFd: 0, network: "host" }));
      const before = halves();
      expect(await run("none")).toBe(before);
      expect(await becomes(() => ownSupervisors().length === 0)).toBe(true);
      expect(await run("host")).toBe(before);
    }, sockets);
  });

  test("names the line at which it failed", async () => {
    await withSteps(async (steps) => {
      const bad = { cwd: "/etc/passwd/x" };
      const plain = await steps.run(bad).catch((error: unknown) => String(error));
      steps.expect(execSpec({ rootFd: 0 }));
      const expected = await steps.run(bad).catch((error: unknown) => String(error));
      expect(String(plain)).toMatch(/line \d+ of the plan: chdir/);
      const unnumbered = (text: unknown): string => String(text).replace(/line \d+/, "line");
      expect(unnumbered(expected)).toBe(unnumbered(plain));
    });
  });

  test("that is killed meanwhile is started anew", async () => {
    await withSteps(async (steps) => {
      await steps.run({ args: ["true"] });
      /* Its own may end after its last word. */
      expect(await becomes(() => ownSupervisors().length === 0)).toBe(true);
      steps.expect(execSpec({ rootFd: 0 }));
      expect(await becomes(() => ownSupervisors().length === 1)).toBe(true);
      /* Before or after this process has heard of it. */
      for (const pid of ownSupervisors()) process.kill(pid, "SIGKILL");
      expect(await becomes(() => ownSupervisors().length === 0)).toBe(true);
      expect((await steps.run({ args: ["echo", "here"] })).stdout).toBe("here\n");
    });
  });

  test("goes on, as do those behind it, when the process that starts supervisors is killed", async () => {
    const others = new Set(programsOf(process.pid, "serve"));
    await withSteps(async (steps) => {
      for (let i = 0; i < 10; i++) steps.expect(execSpec({ rootFd: 0 }));
      expect(await becomes(() => ownSupervisors().length > 0)).toBe(true);
      for (const pid of programsOf(process.pid, "serve")) if (!others.has(pid)) process.kill(pid, "SIGKILL");
      for (let i = 0; i < 10; i++)
        expect((await steps.run({ args: ["echo", String(i)] })).stdout).toBe(`${i}\n`);
    });
  });

  test("that never comes ends with the builder, as does the process that started it", async () => {
    const before = new Set(programsOf(process.pid, "serve"));
    await withSteps(async (steps) => {
      for (let i = 0; i < 20; i++) steps.expect(execSpec({ rootFd: 0 }));
      expect(await becomes(() => ownSupervisors().length > 0)).toBe(true);
      /* Not all of them at once. */
      expect(ownSupervisors().length).toBeLessThanOrEqual(8);
    });
    expect(await becomes(() => programsOf(process.pid, "serve").every((pid) => before.has(pid)))).toBe(true);
  });

  test("many at once, each with its own root, are told apart", async () => {
    await withSteps(async (steps) => {
      const numbers = Array.from({ length: 16 }, (_, i) => i);
      for (const _ of numbers) steps.expect(execSpec({ rootFd: 0 }));
      const all = await Promise.all(
        numbers.map((i) =>
          steps.run({ args: ["sh", "-c", `echo ${i} > /own; cat /own`], hostname: `h${i}` }),
        ),
      );
      expect(all.map(({ stdout }) => stdout)).toEqual(numbers.map((i) => `${i}\n`));
    });
  });
});
