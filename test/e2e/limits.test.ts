import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { notAsUser } from "./user.ts";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: end-to-end limits: ${reason}`);
const withoutGroups =
  notAsUser("none is delegated to this user") ??
  (existsSync("/sys/fs/cgroup/memory/cgroup.procs") || existsSync("/sys/fs/cgroup/cgroup.subtree_control")
    ? undefined
    : "there are none here");
if (withoutGroups !== undefined)
  console.log(`skipped: end-to-end limits of control groups: ${withoutGroups}`);
const noDevices =
  notAsUser("a device that a user makes opens for nobody (user_namespaces(7))") ??
  (existsSync("/sys/fs/cgroup/devices/devices.list") ? undefined : "no control group of devices here");
if (noDevices !== undefined) console.log(`skipped: devices that a step makes: ${noDevices}`);

describe.skipIf(reason !== undefined)("limits and failures of steps", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  async function build(name: string, lines: readonly string[], ...flags: string[]) {
    const folder = world.context(name, { Dockerfile: ["FROM busybox", ...lines].join("\n") });
    return world.tsbuild(["build", "--progress=plain", ...flags, folder], {});
  }

  test("--ulimit and --shm-size reach the step and count in its key (C022)", async () => {
    const lines = ["RUN echo $(ulimit -n) $(ulimit -Hn) $(df -k /dev/shm | tail -1 | awk '{print $2}')"];
    const first = await build("ulimit", lines, "--ulimit=nofile=100:200", "--shm-size=2m");
    expect(first.stderr).toContain("100 200 2048");
    expect((await build("ulimit", lines, "--ulimit=nofile=101:200", "--shm-size=2m")).stderr).toContain(
      "101 200",
    );
  });

  test.skipIf(withoutGroups !== undefined)(
    "a step that eats its memory is named with the limit, 102 (C023, C045)",
    async () => {
      const lines = ["RUN dd if=/dev/zero of=/dev/null bs=90M count=1"];
      const killed = await build("oom", lines, "-m", "40m");
      expect(killed.stderr).toContain("was killed: out of memory at the limit of 40 MiB");
      expect(killed.code).toBe(102);
      expect((await build("oom", lines, "--resource=memory=400m")).code).toBe(0);
      expect((await build("oom", lines, "-m", "41m")).stderr).toMatch(/RUN[^\n]*\n#\d+ CACHED/);
    },
  );

  test.skipIf(withoutGroups !== undefined)("pids, processors, a group of one's own", async () => {
    const lines = [
      "RUN grep Cpus_allowed_list /proc/self/status; for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; echo all",
    ];
    const { stderr } = await build("pids", lines, "--resource=pids=6,cpuset-cpus=0", "--cpu-shares=512");
    expect(stderr).toMatch(/Cpus_allowed_list:\s+0\n/);
    expect(stderr).toContain("can't fork");
  });

  test.skipIf(notAsUser("") === undefined)(
    "limits that nobody lets a user set are named once a build",
    async () => {
      const { code, stderr } = await build(
        "refused",
        ["RUN true", "RUN echo 2"],
        "-m",
        "40m",
        "--resource=pids=6",
      );
      expect(code).toBe(0);
      expect(stderr.match(/steps run without the limits? of .*memory/g)).toHaveLength(1);
    },
  );

  test("what is missing when a program is not found", async () => {
    const script = ["RUN printf '#!/opt/none\\n' > /s && chmod +x /s", 'RUN ["/s"]'];
    expect((await build("script", script)).stderr).toContain("its first line names /opt/none");
    const dos = ["RUN printf '#!/bin/sh\\r\\n' > /s && chmod +x /s", 'RUN ["/s"]'];
    expect((await build("dos", dos)).stderr).toContain("save it with Unix line ends");
    expect((await build("gone", ['RUN ["gone", "x"]'])).stderr).toContain("the image has no gone: check");
    expect((await build("shell", ["RUN gone x"])).stderr).toContain("the shell did not find a command");
    expect((await build("bash", ['SHELL ["bash", "-c"]', "RUN true"])).stderr).toContain(
      "the image has no bash",
    );
    expect((await build("words", ['RUN ["echo a"]'])).stderr).toContain('["echo","a"]');
  });

  test("a cache of another owner (W036)", async () => {
    const lines = ["USER alice", "RUN --mount=type=cache,target=/c touch /c/x"];
    expect((await build("cache", lines)).stderr).toContain(
      "the cache /c belongs to 0:0 and the step runs as 1000:1001",
    );
    const owned = ["USER alice", "RUN --mount=type=cache,target=/c,uid=1000,gid=1001 touch /c/x"];
    expect((await build("cache", owned)).code).toBe(0);
  });

  test("security=insecure is what its name says (B019), the default is not", async () => {
    const look =
      "grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; mknod /n c 1 3; echo x > /n && echo opens; mount -t tmpfs t /tmp && echo mounts; cat /proc/sys/kernel/hostname > /proc/sys/kernel/hostname && echo writes; ls /dev/loop-control; rm /n";
    const { stderr } = await build(
      "insecure",
      [`RUN --security=insecure ${look}; true`],
      "--allow=security.insecure",
    );
    expect(stderr).toMatch(/Seccomp:\s+0\n/);
    for (const word of ["opens", "mounts", "writes", "/dev/loop-control\n"]) expect(stderr).toContain(word);
    const confined = (await build("confined", [`RUN ${look}; true`])).stderr.split("\n");
    expect(confined.some((line) => /Seccomp:\s+2$/.test(line))).toBe(true);
    expect(confined.some((line) => /(mounts|writes)$/.test(line))).toBe(false);
  });

  test.skipIf(noDevices !== undefined)(
    "a step may use a device that it made, but no disk of the host",
    async () => {
      const made =
        "for x in /x /t/x /c/x; do mknod -m 666 $x c 1 3 && echo hi > $x && cat $x && echo null opens in $x; rm $x; done";
      const disk =
        "for n in 8:0 254:0 259:0 7:0; do mknod /d b ${n%:*} ${n#*:}; cat /d; rm /d; done; mknod /k c 1 1; cat /k; rm /k";
      const { code, stderr } = await build("devices", [
        `RUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/c ${made}; ${disk}; true`,
      ]);
      for (const node of ["/x", "/t/x", "/c/x"]) expect(stderr).toContain(`null opens in ${node}\n`);
      expect(stderr.match(/can't open '\/[dk]': Operation not permitted/g)).toHaveLength(5);
      expect(code).toBe(0);
    },
  );
});
