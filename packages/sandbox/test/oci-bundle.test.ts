import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { bundleSpec, checkSystemMounts, writeBundle } from "../src/oci-bundle.ts";
import { toRuntimeSpec } from "../src/oci-spec.ts";
import type { ExecMount } from "../src/spec.ts";
import { execSpec, host } from "./support/spec.ts";

function tmpfs(dest: string): ExecMount {
  return { type: "tmpfs", dest, mode: 0o1777 };
}

function bind(fd: number, dest: string): ExecMount {
  return { type: "bind", fd, sourcePath: "sub", kind: "folder", dest, readonly: true };
}

function check(...mounts: readonly ExecMount[]): void {
  checkSystemMounts(toRuntimeSpec(execSpec({ mounts }), host), mounts);
}

// Fails when what was killed in a container is looked up in a group that the runtime has removed, or made elsewhere.
test("on version 2 the container's group is within one that stays, and is asked for what happened", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-bundle-"));
  try {
    const step = execSpec({ cgroup: { parent: "", memoryBytes: 2 ** 25 } });
    const io = { stdout: () => {}, stderr: () => {}, signal: new AbortController().signal };
    const { memoryGroups, outerGroup } = writeBundle(folder, step, host, io);
    const { linux } = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
    expect(linux.cgroupsPath).toBe("/builder/tsbuild/step/container");
    expect(outerGroup).toBe("/sys/fs/cgroup/builder/tsbuild/step");
    expect(memoryGroups.map(({ path }) => path)).toEqual([outerGroup]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

// Fails when a mount of the step is left to the runtime, which makes its target by name.
test("what a step mounts in its root is in the plan; what it mounts below the runtime's own is in its spec", () => {
  const mounts = [bind(30, "/c"), tmpfs("/c/../c/d"), bind(31, "/dev/shm/x"), tmpfs("/device")];
  const runtime = toRuntimeSpec(execSpec({ mounts }), host);
  const { spec, attachments, mounts: plan } = bundleSpec(runtime, "/b", { confined: true, grouped: true });
  const told = (spec as { mounts: { destination: string; source: string }[] }).mounts.slice(-1);
  expect(told.map(({ destination, source }) => [destination, source])).toEqual([
    ["/dev/shm/x", "/b/mount-9"],
  ]);
  expect(attachments.map(({ fd, path, target }) => [plan.fds[fd], path, target])).toEqual([
    [execSpec({}).rootFd, "", "/b/rootfs"],
    [31, "sub", "/b/mount-9"],
  ]);
  expect(plan.ops).toEqual([
    { op: "tree", source: plan.fds.indexOf(30), path: "sub", attrs: 1, flags: 1 },
    { op: "bind", tree: 0, dest: "/c", flags: 0 },
    { op: "mount_point", path: "/c/d", kind: 0 },
    { op: "mount", type: "tmpfs", options: ["source=tmpfs", "mode=1777"], dest: "/c/d", attrs: 2 },
    { op: "mount", type: "tmpfs", options: ["source=tmpfs", "mode=1777"], dest: "/device", attrs: 2 },
  ]);
});

// Fails when a runtime may be led by what is mounted where it looks names up: masks are binds of /dev/null (CVE-2025-31133).
test.each([
  ...[
    "/dev",
    "/dev/",
    "/x/../dev",
    "/proc",
    "/proc/self",
    "/sys",
    "/dev/null",
    "/dev/null/x",
    "/dev/pts",
    "/dev/console",
  ],
  ...["/dev/fd", "/dev/ptmx", "/dev/stdin", "/dev/tty"],
])("nothing is mounted at %s, which the runtime uses itself", (dest) => {
  expect(() => check(tmpfs(dest))).toThrow(`an OCI runtime cannot mount anything at "${dest}" safely`);
});

test("below the runtime's own folders mounts lie side by side", () => {
  expect(() => check(tmpfs("/dev/shm"), tmpfs("/dev/x"), bind(9, "/sys/x"), tmpfs("/devices"))).not.toThrow();
  expect(() => check(bind(9, "/dev/x"), tmpfs("/dev/x/y"))).toThrow('anything at "/dev/x/y"');
});
