import { hostFactsFrom, mountPoints, toRuntimeSpec } from "@tsbuild/sandbox";
import { describe, expect, test } from "vitest";
import { execSpec, host } from "./support/spec.ts";

describe("runtime spec", () => {
  test("the JSON that runc takes, for a default step", async () => {
    const spec = toRuntimeSpec(execSpec(), host);
    const { seccomp, ...linux } = spec.linux;
    expect(seccomp?.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    const text = `${JSON.stringify({ ...spec, linux }, null, 2)}\n`;
    await expect(text).toMatchFileSnapshot("testdata/default.config.json");
  });

  test("descriptors are sources; a path stays beneath its descriptor", () => {
    const mounts = [
      { type: "bind", fd: 9, sourcePath: "/a/b", kind: "folder", dest: "/x", readonly: false },
      { type: "bind", fd: 9, sourcePath: "", kind: "file", dest: "/y", readonly: true },
    ] as const;
    expect(toRuntimeSpec(execSpec({ mounts }), host).mounts.slice(-2)).toEqual([
      { destination: "/x", type: "bind", source: "/proc/self/fd/9/a/b", options: ["rbind"] },
      { destination: "/y", type: "bind", source: "/proc/self/fd/9", options: ["rbind", "ro"] },
    ]);
  });

  test("only capabilities that this process has can be granted", () => {
    const weak = { ...host, capabilities: ["CAP_CHOWN", "CAP_SYS_ADMIN"] } as const;
    const sandbox = toRuntimeSpec(execSpec(), weak).process.capabilities.bounding;
    const insecure = toRuntimeSpec(execSpec({ security: "insecure" }), weak).process.capabilities.bounding;
    expect(sandbox).toEqual(["CAP_CHOWN"]);
    expect(insecure).toEqual(["CAP_CHOWN", "CAP_SYS_ADMIN"]);
  });

  test("insecure: no filter, no masks, writable sysfs and control groups, devices", () => {
    const { linux, mounts } = toRuntimeSpec(execSpec({ security: "insecure" }), host);
    expect(linux.seccomp).toBeUndefined();
    expect(linux.maskedPaths).toEqual([]);
    expect(linux.readonlyPaths).toEqual([]);
    expect(mounts.filter(({ options }) => options.includes("ro"))).toEqual([]);
    expect(linux.devices.map(({ path }) => path)).toContain("/dev/fuse");
  });

  test("limits become resources", () => {
    const cgroup = { parent: "/builds", memoryBytes: 1024, cpuQuotaUs: 50_000, pids: 5 };
    const { cgroupsPath, resources } = toRuntimeSpec(execSpec({ cgroup }), host).linux;
    expect(cgroupsPath).toBe("/builds/step");
    expect(resources).toEqual({
      memory: { limit: 1024, swap: 1024 },
      cpu: { quota: 50_000, period: 100_000 },
      pids: { limit: 5 },
    });
  });
});

describe("mount points", () => {
  test("the system's own, then the step's, in order and without repeats", () => {
    const file = {
      type: "bind",
      fd: 3,
      sourcePath: "",
      kind: "file",
      dest: "/etc/hosts",
      readonly: true,
    } as const;
    const folder = { ...file, kind: "folder", dest: "/src/./a/../b/" } as const;
    expect(mountPoints({ mounts: [file, folder, file] })).toEqual([
      { path: "/proc", type: "folder" },
      { path: "/dev", type: "folder" },
      { path: "/sys", type: "folder" },
      { path: "/etc/hosts", type: "file" },
      { path: "/src/b", type: "folder" },
    ]);
  });

  test("those inside other mounts are the plan's, not the caller's", () => {
    const tmpfs = { type: "tmpfs", dest: "/cache", mode: 0o755 } as const;
    const inside = { type: "tmpfs", dest: "/cache/x", mode: 0o755 } as const;
    const beside = { type: "tmpfs", dest: "/cachet", mode: 0o755 } as const;
    const device = { type: "tmpfs", dest: "/dev/shm/x", mode: 0o755 } as const;
    const paths = mountPoints({ mounts: [tmpfs, inside, beside, device] }).map(({ path }) => path);
    expect(paths).toEqual(["/proc", "/dev", "/sys", "/cache", "/cachet"]);
  });
});

describe("host facts", () => {
  const files = { status: "", mountinfo: "", cgroup: "", uidMap: "0 0 4294967295\n", arch: "x64" };

  test("a user namespace by how many ids it knows", () => {
    const kind = (uidMap: string) => hostFactsFrom({ ...files, uidMap }).userNamespace;
    expect(kind("         0          0 4294967295\n")).toBe("none");
    expect(kind("0 1001 1\n1 100000 65536\n")).toBe("range");
    expect(kind("0 100000 65536\n")).toBe("range");
    expect(kind("         0       1001          1\n")).toBe("single");
  });

  test("a /proc or /sys of which parts are hidden, or that is read-only, cannot be mounted anew", () => {
    const whole = [
      "20 1 0:20 / /proc rw,nosuid - proc proc rw",
      "21 20 0:21 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw",
      "22 1 0:22 / /sys rw - sysfs sysfs rw",
      "23 22 0:23 / /sys/fs/cgroup ro - cgroup2 cgroup rw",
    ];
    const uidMap = "0 1001 1\n1 100000 65536\n";
    const hidden = (lines: readonly string[], map = uidMap) =>
      hostFactsFrom({ ...files, mountinfo: lines.join("\n"), uidMap: map }).hidden;
    expect(hidden(whole)).toEqual([]);
    const masked = [...whole, "24 20 0:24 /null /proc/kcore rw - tmpfs tmpfs rw"];
    expect(hidden(masked)).toEqual(["proc"]);
    expect(hidden(masked, files.uidMap)).toEqual([]);
    expect(hidden([...masked, "25 1 0:20 / /other rw - proc proc rw"])).toEqual([]);
    expect(hidden(whole.map((line) => line.replace("/sys rw", "/sys ro")))).toEqual(["sysfs"]);
  });

  test("capabilities are the permitted ones within the bounding set", () => {
    const status = "CapPrm:\t00000000000000ff\nCapBnd:\t0000000000000003\nSeccomp:\t0\n";
    const facts = hostFactsFrom({ ...files, status });
    expect(facts.capabilities).toEqual(["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
    expect(facts.seccompMachine).toBe("amd64");
    expect(hostFactsFrom({ ...files, status, arch: "riscv64" }).seccompMachine).toBeUndefined();
    expect(hostFactsFrom(files).seccompMachine).toBeUndefined();
  });

  test("one cgroup v2 tree", () => {
    const mountinfo = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
    const { cgroups } = hostFactsFrom({ ...files, mountinfo, cgroup: "0::/user.slice\n" });
    expect(cgroups).toEqual({ version: 2, mountPoint: "/sys/fs/cgroup", path: "/user.slice" });
  });

  test("v1 trees with v2 beside them: only controllers whose limits programs look up", () => {
    const mountinfo = `
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory\\040x rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
34 30 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
    const cgroup = "9:name=systemd:/\n5:freezer:/\n4:memory:/a\n1:cpu,cpuacct:/\n0::/\n";
    expect(hostFactsFrom({ ...files, mountinfo, cgroup }).cgroups).toEqual({
      version: 1,
      hierarchies: [
        { controllers: ["memory"], mountPoint: "/sys/fs/cgroup/memory x", path: "/a" },
        { controllers: ["cpu", "cpuacct"], mountPoint: "/sys/fs/cgroup/cpu,cpuacct", path: "/" },
      ],
    });
  });

  test("no control groups at all", () => {
    expect(hostFactsFrom(files).cgroups).toEqual({ version: 0 });
  });
});
