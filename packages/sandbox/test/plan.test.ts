import type { HostFacts } from "@tsbuild/sandbox";
import {
  compilePlan,
  type ExecSpec,
  encodePlan,
  planLine,
  type SandboxPlan,
  toRuntimeSpec,
} from "@tsbuild/sandbox";
import { describe, expect, test } from "vitest";
import { execSpec, host } from "./support/spec.ts";

function plan(changes: Partial<ExecSpec> = {}, cgroupFiles: readonly string[] = []) {
  return compilePlan(toRuntimeSpec(execSpec(changes), host), { host, cgroupFiles });
}

function lines(changes: Partial<ExecSpec> = {}, cgroupFiles: readonly string[] = []): string[] {
  return plan(changes, cgroupFiles).ops.map(planLine);
}

test("a default step, line by line", async () => {
  await expect(`${lines().join("\n")}\n`).toMatchFileSnapshot("testdata/default.plan");
});

test("an insecure step, line by line", async () => {
  const text = `${lines({ security: "insecure" }).join("\n")}\n`;
  await expect(text).toMatchFileSnapshot("testdata/insecure.plan");
});

describe("mounts", () => {
  const bind = {
    type: "bind",
    fd: 21,
    sourcePath: "/sub",
    kind: "folder",
    dest: "/mnt",
    readonly: true,
  } as const;

  test("sources are cloned before the namespaces exist, each descriptor is handed over once", () => {
    const other = { ...bind, sourcePath: "", dest: "/other", readonly: false };
    const made = plan({ mounts: [bind, other] });
    expect(made.fds).toEqual([20, 21]);
    expect(made.ops.slice(0, 3).map(planLine)).toEqual([
      "tree source=1 path=sub attrs=0x5 flags=1",
      "tree source=1 path= attrs=0x4 flags=1",
      "clone flags=0x2e020000",
    ]);
    expect(made.ops.map(planLine)).toContain("bind tree=0 dest=/mnt flags=0");
    expect(made.ops.map(planLine)).toContain("bind tree=1 dest=/other flags=0");
  });

  test("device nodes in a step's own mounts stay shut only where no control group keeps them so", () => {
    const tmpfs = { type: "tmpfs", dest: "/t", mode: 0o1777, sizeBytes: undefined } as const;
    const spec = toRuntimeSpec(execSpec({ mounts: [bind, tmpfs] }), host);
    const attrs = (devicesGuarded: boolean) =>
      compilePlan(spec, { host, cgroupFiles: [], devicesGuarded })
        .ops.map(planLine)
        .filter((line) => /path=sub|dest=\/t /.test(line))
        .map((line) => line.replace(/.* (attrs=\S+).*/, "$1"));
    expect(attrs(false)).toEqual(["attrs=0x5", "attrs=0x6"]);
    expect(attrs(true)).toEqual(["attrs=0x1", "attrs=0x2"]);
  });

  test("a mount below another one gets its mount point made", () => {
    const tmpfs = { type: "tmpfs", dest: "/mnt/tmp", mode: 0o1777, sizeBytes: 4096 } as const;
    const made = lines({ mounts: [bind, tmpfs, { ...bind, dest: "/mnt/tmp/x/" }] });
    const at = made.indexOf("bind tree=0 dest=/mnt flags=0");
    expect(made.slice(at, at + 4)).toEqual([
      "bind tree=0 dest=/mnt flags=0",
      "mount_point path=/mnt/tmp kind=0",
      "mount type=tmpfs options=[source=tmpfs mode=1777 size=4096] dest=/mnt/tmp attrs=0x6",
      "bind tree=1 dest=/mnt/tmp/x flags=1",
    ]);
  });

  test("a read-only root is closed after the mounts, before it is entered", () => {
    const made = lines({ readonlyRoot: true });
    const at = made.indexOf("enter_root");
    expect(made[at - 1]).toBe("mount_attr path=/ attrs=0x1");
  });

  test("on cgroup v1 every controller has its tree", () => {
    const v1 = {
      version: 1,
      hierarchies: [{ controllers: ["cpu", "cpuacct"], mountPoint: "/sys/fs/cgroup/cpu,cpuacct", path: "/" }],
    } as const;
    const hybrid = { ...host, cgroups: v1 };
    const made = compilePlan(toRuntimeSpec(execSpec(), hybrid), { host: hybrid, cgroupFiles: [] }).ops.map(
      planLine,
    );
    const at = made.findIndex((text) => text.includes("dest=/sys/fs/cgroup "));
    expect(made.slice(at, at + 6)).toEqual([
      "mount type=tmpfs options=[source=cgroup mode=755] dest=/sys/fs/cgroup attrs=0xe",
      "mkdir path=/sys/fs/cgroup/cpu,cpuacct mode=0x1ed",
      "mount type=cgroup options=[source=cgroup cpu cpuacct] dest=/sys/fs/cgroup/cpu,cpuacct attrs=0xf",
      "symlink target=cpu,cpuacct path=/sys/fs/cgroup/cpu",
      "symlink target=cpu,cpuacct path=/sys/fs/cgroup/cpuacct",
      "mount_attr path=/sys/fs/cgroup attrs=0x1",
    ]);
  });
});

describe("process", () => {
  test("a user without privileges has no capabilities but keeps the bounding set", () => {
    const made = lines({ user: { uid: 1000, gid: 100, additionalGids: [10, 20] } });
    expect(made).toContain("bounding keep=0xa80425fb");
    expect(made).toContain("user uid=1000 gid=100 groups=<8 bytes> flags=0");
    expect(made).toContain("capabilities effective=0x0 permitted=0x0 inheritable=0");
  });

  test("limits by Docker's names and the kernel's; negative is unlimited", () => {
    const made = lines({
      rlimits: [
        { name: "nofile", soft: 1024, hard: 2048 },
        { name: "RLIMIT_CORE", soft: -1, hard: -1 },
      ],
    });
    expect(made).toContain("rlimit resource=7 soft=0x400 hard=0x800");
    expect(made).toContain("rlimit resource=4 soft=0xffffffffffffffff hard=0xffffffffffffffff");
    expect(() => lines({ rlimits: [{ name: "bogus", soft: 1, hard: 1 }] })).toThrow(/RLIMIT_BOGUS/);
  });

  test("the filter comes before the identity changes, the exec last", () => {
    const names = plan().ops.map(({ op }) => op);
    const tail = ["bounding", "seccomp", "umask", "chdir", "user", "capabilities", "exec"];
    expect(names.slice(-tail.length)).toEqual(tail);
  });

  test("a machine without a known instruction set goes without a filter", () => {
    const bare = { ...host, seccompMachine: undefined };
    const { ops } = compilePlan(toRuntimeSpec(execSpec(), bare), { host: bare, cgroupFiles: [] });
    expect(ops.map(({ op }) => op)).not.toContain("seccomp");
  });

  test("a terminal of its own, made before the step's mounts can hide where", () => {
    const user = { uid: 7, gid: 8, additionalGids: [] };
    const made = plan({ stdio: "terminal", user });
    expect(made.stdio).toBe("terminal");
    const at = made.ops.findIndex(({ op }) => op === "console");
    expect(made.ops[at]).toEqual({ op: "console", uid: 7 });
    expect(made.ops[at - 1]).toMatchObject({ op: "mount", type: "devpts" });
    const names = made.ops.map(({ op }) => op);
    expect(names[names.indexOf("fork") + 1]).toBe("terminal");
    expect(names).not.toContain("new_session");
    expect(names).not.toContain("stdin_null");
  });

  test("input comes by a pipe, and the session is its own", () => {
    const context = { host, cgroupFiles: [], input: true };
    const { stdio, ops } = compilePlan(toRuntimeSpec(execSpec({ stdio: "input" }), host), context);
    const names = ops.map(({ op }) => op);
    expect([stdio, names[names.indexOf("fork") + 1]]).toEqual(["input", "new_session"]);
    expect(names).not.toContain("stdin_null");
  });
});

test("network none has its own network namespace with lo up", () => {
  expect(lines({ network: "none" })[0]).toBe("clone flags=0x6e020000");
  expect(lines({ network: "none" })).toContain("loopback_up");
});

test("a private network is joined and not made", () => {
  const made = lines({ network: { fd: 33 } });
  expect(made[0]).toBe("clone flags=0x2e020000");
  expect(made[1]).toMatch(/^join_namespace namespace=1 flags=/);
  expect(made).not.toContain("loopback_up");
  const { namespaces } = toRuntimeSpec(execSpec({ network: { fd: 33 } }), host).linux;
  expect(namespaces).toContainEqual({ type: "network", path: "/proc/self/fd/33" });
});

test("the cgroup namespace is made after the step has joined its group", () => {
  expect(lines({}, ["/sys/fs/cgroup/x/cgroup.procs"]).slice(0, 3)).toEqual([
    "clone flags=0x2c020000",
    "join_cgroups paths=[/sys/fs/cgroup/x/cgroup.procs]",
    "unshare flags=0x2000000",
  ]);
});

describe("encoding", () => {
  test("header and a plan of two operations, byte by byte", () => {
    const bytes = encodePlan({
      fds: [7],
      stdio: "input",
      ops: [
        { op: "chdir", path: "/é" },
        { op: "exec", args: ["a"], env: [] },
      ],
    });
    const body = bytes.subarray(12);
    expect(bytes.subarray(0, 8).toString()).toBe("TSBPLAN1");
    expect(bytes.readUInt32LE(8)).toBe(body.length);
    expect([0, 4, 8].map((at) => body.readUInt32LE(at))).toEqual([1, 1, 2]);
    expect(body.subarray(16, 24).toString("latin1")).toBe("\x03\0\0\0/\xc3\xa9\0");
    expect(body.subarray(28).toString("latin1")).toBe("\x01\0\0\0\x01\0\0\0a\0\0\0\0\0");
  });

  test("what plans have alike is on the wire what it is when it stands alone", () => {
    const alone = (plan: SandboxPlan): Buffer =>
      encodePlan({ ...plan, ops: plan.ops.map((op) => ({ ...op })) });
    const mounts = [{ type: "tmpfs", dest: "/t", mode: 0o1777, sizeBytes: undefined }] as const;
    const kinds: Partial<ExecSpec>[] = [
      {},
      { mounts },
      { security: "insecure" },
      { network: "none" },
      { stdio: "terminal" },
    ];
    const seen = new Set(
      [...kinds, ...kinds].map((changes) => {
        const made = plan(changes);
        expect(encodePlan(made).equals(alone(made))).toBe(true);
        return encodePlan(made).toString("latin1");
      }),
    );
    expect(seen.size).toBe(kinds.length);
    /* One of them left out, in another order: what is there counts. */
    const { ops, ...rest } = plan();
    for (const changed of [ops.toSpliced(20, 1), ops.toReversed()])
      expect(encodePlan({ ...rest, ops: changed }).equals(alone({ ...rest, ops: changed }))).toBe(true);
  });

  test("a NUL cannot be smuggled into a path or argument", () => {
    const plan = (path: string): SandboxPlan => ({ fds: [], stdio: "log", ops: [{ op: "chdir", path }] });
    expect(() => encodePlan(plan("/a\0b"))).toThrow(/a zero byte in/);
  });
});

describe("in a user namespace", () => {
  function inside(
    userNamespace: "range" | "single",
    changes: Partial<ExecSpec> = {},
    more: Partial<HostFacts> = {},
  ): string[] {
    const facts = { ...host, userNamespace, ...more };
    const spec = toRuntimeSpec(execSpec(changes), facts);
    return compilePlan(spec, { host: facts, cgroupFiles: [] }).ops.map(planLine);
  }

  test("devices are the host's, as none may be made", () => {
    const made = inside("range");
    expect(made.filter((text) => text.startsWith("mknod"))).toEqual([]);
    expect(made).toContain("host_tree source=/dev/null dest=/dev/null attrs=0xa flags=2");
    expect(made).toContain("mount_attr path=/dev attrs=0x4");
  });

  test("/sys is the host's with the host's network, and new with a network of its own", () => {
    expect(inside("range")).toContain("host_tree source=/sys dest=/sys attrs=0xf flags=1");
    const own = inside("range", { network: "none" });
    expect(own).toContain("mount type=sysfs options=[source=sysfs] dest=/sys attrs=0xf");
  });

  test("where the kernel mounts no new /proc and /sys, those of the builder are taken, and hidden as ever", () => {
    const made = inside("range", { network: "none" }, { hidden: ["proc", "sysfs"] });
    expect(made).toContain("host_tree source=/proc dest=/proc attrs=0xf flags=1");
    expect(made).toContain("host_tree source=/sys dest=/sys attrs=0xf flags=1");
    expect(made).toContain("mask path=/proc/kcore");
    expect(made.filter((text) => /type=(proc|sysfs)/.test(text))).toEqual([]);
  });

  test("with one id, neither the group tty nor setgroups", () => {
    const made = inside("single");
    expect(made.find((text) => text.includes("type=devpts"))).not.toContain("gid=");
    expect(made.find((text) => text.startsWith("user "))).toMatch(/ flags=1$/);
    expect(inside("range").find((text) => text.startsWith("user "))).toMatch(/ flags=0$/);
  });
});
