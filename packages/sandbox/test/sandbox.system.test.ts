import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { defaultCapabilities, mountPoints, readHostFacts } from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ownSupervisors, processesWith, writeDenial } from "./support/processes.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { execSpec } from "./support/spec.ts";
import { Steps } from "./support/steps.ts";

const missing = missingForSystemTests();
if (missing !== undefined) console.warn(`sandbox tests skipped: ${missing}`);

const O_PATH = 0o10000000;
const user = { uid: 1000, gid: 100, additionalGids: [10, 20] };

describe.skipIf(missing !== undefined)("sandbox", () => {
  let roots: TestRoots;
  let steps: Steps;
  beforeAll(() => {
    roots = new TestRoots();
    roots.addProgram("probe");
    steps = new Steps(roots);
  });
  afterAll(() => roots.remove());

  describe("outcome", () => {
    test("exit code, output on both streams, no trailing newline needed", async () => {
      const result = await steps.sh("echo out; printf err >&2; exit 7");
      expect(result).toMatchObject({ exitCode: 7, stdout: "out\n", stderr: "err", oomKilled: false });
      expect(result.signal).toBeUndefined();
      expect(result.cpuUs).toBeGreaterThan(0);
      expect(result.peakMemoryBytes).toBeGreaterThan(100_000);
    });

    test("a signal is 128 plus its number", async () => {
      expect(await steps.sh("kill -TERM $$")).toMatchObject({ exitCode: 143, signal: "SIGTERM" });
      expect(await steps.sh("kill -KILL $$")).toMatchObject({ exitCode: 137, signal: "SIGKILL" });
    });

    test("missing and unusable programs are outcomes, as in a shell", async () => {
      const gone = await steps.run({ args: ["no-such-program", "x"] });
      expect(gone).toMatchObject({ exitCode: 127, stdout: "" });
      expect(gone.stderr).toBe(
        'tsbuild: cannot execute "no-such-program": executable file not found in PATH\n',
      );
      expect(await steps.run({ args: ["/no/such"] })).toMatchObject({ exitCode: 127 });
      expect(await steps.run({ args: ["not-executable"] })).toMatchObject({ exitCode: 126 });
      expect(await steps.run({ args: ["/tmp"] })).toMatchObject({ exitCode: 126 });
      expect(await steps.run({ args: ["true"], env: [] })).toMatchObject({ exitCode: 127 });
    });

    test("a megabyte of output arrives whole and in order", async () => {
      const { stdout } = await steps.sh("seq 1 150000");
      expect(stdout.length).toBe(938_895);
      expect(stdout.endsWith("149999\n150000\n")).toBe(true);
    });
  });

  describe("process", () => {
    test("the environment is exactly the spec's", async () => {
      const env = ["PATH=/bin", "A=1", "EMPTY=", "LINES=a\nb"];
      const { stdout } = await steps.run({ args: ["env", "-0"], env });
      expect(stdout.split("\0").filter(Boolean)).toEqual(env);
    });

    test("only the standard streams are open", async () => {
      const { stdout } = await steps.run({ args: ["ls", "-l", "/proc/self/fd"] });
      const fds = [...stdout.matchAll(/ (\d+) -> (.*)$/gm)].map(([, fd, target]) => [fd, target]);
      expect(fds.slice(0, 3)).toEqual([
        ["0", "/dev/null"],
        ["1", expect.stringMatching(/^pipe:/)],
        ["2", expect.stringMatching(/^pipe:/)],
      ]);
      /* The fourth is the folder that ls reads. */
      expect(stdout.trim().split("\n")).toHaveLength(1 + 3 + 1);
    });

    test("the streams can be opened again by name", async () => {
      const { stdout, stderr } = await steps.sh(
        "echo a > /dev/stdout; echo b > /dev/stderr; cat < /dev/stdin",
      );
      expect({ stdout, stderr }).toEqual({ stdout: "a\n", stderr: "b\n" });
    });

    test("working folder, umask, session, hostname", async () => {
      const script = "pwd; umask; hostname; cut -d' ' -f6 /proc/self/stat; echo $$";
      const { stdout } = await steps.sh(script, { cwd: "/tmp", hostname: "box" });
      expect(stdout).toBe("/tmp\n0022\nbox\n2\n2\n");
    });

    test("user, group and additional groups", async () => {
      const { stdout } = await steps.sh("grep -E '^(Uid|Gid|Groups)' /proc/self/status", { user });
      expect(stdout.replace(/[ \t]+/g, " ")).toBe(
        "Uid: 1000 1000 1000 1000\nGid: 100 100 100 100\nGroups: 10 20 \n",
      );
    });

    test("limits", async () => {
      const rlimits = [{ name: "nofile", soft: 100, hard: 200 }];
      const { stdout } = await steps.sh("ulimit -n; ulimit -Hn", { rlimits });
      expect(stdout).toBe("100\n200\n");
    });

    test("zombies are reaped by PID 1", async () => {
      const { stdout } = await steps.sh(
        "for i in 1 2 3; do (sleep 0.05 &) ; done; sleep 0.3; grep -l 'State:.Z' /proc/[0-9]*/status; echo done",
      );
      expect(stdout).toBe("done\n");
    });

    test("what stays in the background does not outlive the command", async () => {
      const started = performance.now();
      const result = await steps.sh("(trap '' TERM HUP; sleep 41.25) & echo started");
      expect(result).toMatchObject({ exitCode: 0, stdout: "started\n" });
      expect(performance.now() - started).toBeLessThan(40_000);
      expect(processesWith("41.25")).toEqual([]);
    });
  });

  describe("privileges", () => {
    const status = "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status";

    function fields(text: string): Record<string, string> {
      return Object.fromEntries(
        text
          .trim()
          .split("\n")
          .map((line) => line.split(":\t") as [string, string]),
      );
    }

    test("root has Docker's capabilities and a filter, and may gain privileges", async () => {
      const { stdout } = await steps.sh(status);
      const docker = "00000000a80425fb";
      expect(defaultCapabilities).toHaveLength(14);
      expect(fields(stdout)).toEqual({
        CapInh: "0000000000000000",
        CapPrm: docker,
        CapEff: docker,
        CapBnd: docker,
        CapAmb: "0000000000000000",
        NoNewPrivs: "0",
        Seccomp: "2",
      });
    });

    test("another user has none in effect, the same within reach", async () => {
      const { stdout } = await steps.sh(status, { user });
      expect(fields(stdout)).toMatchObject({
        CapPrm: "0000000000000000",
        CapEff: "0000000000000000",
        CapBnd: "00000000a80425fb",
      });
    });

    test("a set-user-id program works, as su and sudo need", async () => {
      execFileSync("chmod", ["4755", roots.lowerPath("bin/probe")]);
      expect(await steps.run({ args: ["probe", "euid"], user })).toMatchObject({ stdout: "1000 0\n" });
    });

    test("each namespace is another one than this process's, but for the network that was asked for", async () => {
      const types = ["mnt", "pid", "ipc", "uts", "cgroup", "net"];
      const { stdout } = await steps.sh(
        `cd /proc/self/ns; for type in ${types.join(" ")}; do readlink $type; done`,
      );
      const theirs = stdout.trim().split("\n");
      const same = types.filter((type, at) => readlinkSync(`/proc/self/ns/${type}`) === theirs[at]);
      expect(theirs).toHaveLength(types.length);
      expect(same).toEqual(["net"]);
    });

    test("namespaces, mounts and device files lead nowhere", async () => {
      const result = await steps.sh(
        `unshare -m true; mount -t tmpfs x /mnt; mknod /tmp/disk b 1 0 && cat /tmp/disk
         mknod /dev/mem2 c 1 1 && cat /dev/mem2; true`,
      );
      expect(result.stdout).toBe("");
      const lines = result.stderr.trim().split("\n");
      expect(lines).toHaveLength(4);
      expect(lines[0]).toMatch(/unshare.*Operation not permitted/);
      expect(lines[1]).toMatch(/mount.*(permission denied|Operation not permitted)/i);
      expect(lines[2]).toMatch(/Permission denied|Operation not permitted/);
      expect(lines[3]).toMatch(/Permission denied|Operation not permitted/);
    });

    test("the filter answers what the profile says: keyctl EPERM, ptrace allowed, clone3 ENOSYS", async () => {
      const { stdout } = await steps.run({ args: ["probe"] });
      expect(stdout).toBe(
        "keyctl EPERM\nunshare EPERM\nptrace ok\nclone3 ENOSYS\nunknown ENOSYS\nvsock EPERM\npersonality EPERM\n",
      );
    });

    test("PID 1 can neither be looked into nor killed, and has no capability to be borrowed", async () => {
      const script =
        "for f in exe cwd root fd/0; do readlink /proc/1/$f; done; cat /proc/1/environ; kill -9 1; echo alive; grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/1/status | tr -d '\\t\\n'";
      const result = await steps.sh(script);
      const none = "0".repeat(16);
      expect(result.stdout).toBe(`alive\nCapInh:${none}CapPrm:${none}CapEff:${none}CapAmb:${none}`);
      expect(result.stderr).toMatch(/Permission denied/);
    });

    test("the program of the host cannot be written to through /proc", async () => {
      const abort = new AbortController();
      const codes: string[] = [];
      const running = steps.sh(
        "echo up; sleep 44.5",
        {},
        {
          signal: abort.signal,
          onOutput: () => {
            for (const pid of ownSupervisors()) codes.push(writeDenial(`/proc/${pid}/exe`));
            abort.abort();
          },
        },
      );
      await expect(running).rejects.toMatchObject({ code: "TSB_CANCELED" });
      /* That the program runs (ETXTBSY) protects it only until it ends. */
      expect(codes).toEqual(["EROFS"]);
    });

    // The filter refuses keyctl: what it would reach shows where there is none.
    test("a step has a session keyring of its own", async () => {
      const { stdout } = await steps.run({ args: ["probe", "keyring"], security: "insecure" });
      expect(stdout).toMatch(/^(?:keyring;0;0;[0-9a-f]+;_tsbuild|ENOSYS)\n$/);
    });

    test("a command that executes the sandbox's own program gets nowhere", async () => {
      const { exitCode, stdout } = await steps.run({ args: ["/proc/self/exe", "step", "sealed"] });
      expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    });

    test("insecure: all capabilities of this process, no filter, no masks, writable /sys", async () => {
      const script = `${status}; mount -t tmpfs x /mnt && echo mounted; grep -c ' /proc/sys ' /proc/mounts
        grep ' /sys sysfs rw' /proc/mounts | wc -l; ls /dev/loop-control`;
      const { stdout } = await steps.sh(script, { security: "insecure" });
      const own = /CapBnd:\t(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
      expect(stdout).toContain(`CapEff:\t${own}\n`);
      expect(stdout).toContain("Seccomp:\t0\n");
      expect(stdout).toMatch(/mounted\n0\n1\n\/dev\/loop-control\n$/);
    });
  });

  describe("file system", () => {
    test("/dev has the standard nodes and links, and they work", async () => {
      const { stdout } = await steps.sh(
        `cd /dev; for f in *; do [ -h $f ] && echo "$f -> $(readlink $f)" || echo $f; done
         head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo x > /dev/full; echo y > /dev/null
         stat -c %a /dev /dev/shm /dev/null /dev/ptmx; : < /dev/ptmx && echo pty`,
      );
      expect(stdout.trim().split("\n")).toEqual([
        "core -> /proc/kcore",
        "fd -> /proc/self/fd",
        "full",
        "mqueue",
        "null",
        "ptmx -> pts/ptmx",
        "pts",
        "random",
        "shm",
        "stderr -> /proc/self/fd/2",
        "stdin -> /proc/self/fd/0",
        "stdout -> /proc/self/fd/1",
        "tty",
        "urandom",
        "zero",
        "4",
        "4",
        "755",
        "1777",
        "666",
        "777",
        "pty",
      ]);
    });

    test("masked paths are empty, read-only ones cannot be written", async () => {
      const { stdout } = await steps.sh(
        `cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null | wc -c
         ls -A /sys/firmware | wc -l; ls -A /proc/acpi 2>/dev/null | wc -l
         for f in /proc/sys/kernel/hostname /sys/kernel/profiling; do (echo x > $f) 2>/dev/null && echo wrote $f; done
         mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; echo end`,
      );
      expect(stdout).toBe("0\n0\n0\nend\n");
    });

    test("nothing of the host's mounts is left, and /proc is the namespace's own", async () => {
      const { stdout } = await steps.sh("cat /proc/mounts; ls -d /proc/[0-9]* | wc -l");
      expect(stdout).not.toContain(" ext4 ");
      expect(stdout.split("\n").filter((line) => / overlay /.test(line))).toHaveLength(1);
      expect(Number(stdout.trim().split("\n").at(-1))).toBeLessThan(6);
    });

    test("a step leaves only what it wrote in its layer", async () => {
      const { root } = await steps.sh("echo x > /src/file", {
        mounts: [{ type: "tmpfs", dest: "/mnt", mode: 0o755 }],
      });
      const entries = readdirSync(root.upper, { recursive: true }).map(String).sort();
      expect(entries).toEqual(["src", "src/file"]);
    });

    test("binds: read-only and writable, a path beneath the descriptor, a file, a tmpfs, nested mounts", async () => {
      const folder = join(roots.folder, "bound");
      mkdirSync(join(folder, "sub"), { recursive: true });
      writeFileSync(join(folder, "sub/file"), "content");
      const fd = openSync(folder, O_PATH);
      const bind = {
        type: "bind",
        fd,
        sourcePath: "",
        kind: "folder",
        dest: "/mnt",
        readonly: true,
      } as const;
      const { stdout, stderr } = await steps.sh(
        `cat /mnt/sub/file /etc/hosts /tmp/deep/er/file; touch /mnt/no; echo hi > /src/yes
         df -k /tmp | tail -1 | tr -s ' ' | cut -d' ' -f2`,
        {
          mounts: [
            bind,
            { ...bind, sourcePath: "sub", dest: "/src", readonly: false },
            { ...bind, sourcePath: "sub/file", kind: "file", dest: "/etc/hosts" },
            { type: "tmpfs", dest: "/tmp", mode: 0o1777, sizeBytes: 65536 },
            { ...bind, sourcePath: "sub", dest: "/tmp/deep/er" },
          ],
        },
      );
      closeSync(fd);
      expect(stdout).toBe("contentcontentcontent64\n");
      expect(stderr).toMatch(/Read-only file system/);
      expect(readFileSync(join(folder, "sub/yes"), "utf8")).toBe("hi\n");
    });

    test("links in the image cannot lead a mount out of the root", async () => {
      const folder = join(roots.folder, "trap");
      mkdirSync(folder, { recursive: true });
      const fd = openSync(folder, O_PATH);
      execFileSync("ln", ["-sfn", "/../../../../mnt", roots.lowerPath("trap")]);
      execFileSync("ln", ["-sfn", "/etc", join(folder, "out")]);
      const bind = {
        type: "bind",
        fd,
        sourcePath: "",
        kind: "folder",
        dest: "/trap",
        readonly: true,
      } as const;
      const inside = await steps.sh("ls -A /mnt", { mounts: [bind] });
      expect(inside.stdout).toBe("out\n");
      await expect(steps.sh("true", { mounts: [{ ...bind, sourcePath: "out" }] })).rejects.toMatchObject({
        code: "TSB_SANDBOX",
        message: expect.stringMatching(/openat2 out: ENOENT/),
      });
      closeSync(fd);
    });

    test("a mount that replaces /dev/null has no say in what hides /proc/keys (CVE-2025-31133)", async () => {
      const folder = join(roots.folder, "devices");
      mkdirSync(folder, { recursive: true });
      const fd = openSync(folder, O_PATH);
      execFileSync("ln", ["-sfn", "dev", roots.lowerPath("alias")]);
      execFileSync("ln", ["-sfn", "/proc/sys/kernel/core_pattern", join(folder, "null")]);
      const dest = { sourcePath: "", kind: "folder", dest: "/alias", readonly: false } as const;
      // With a terminal nothing opens /dev/null, and a step could get so far.
      const { root } = await steps.sh("(stat -c %t:%T /proc/keys; cat /proc/keys) > /found 2>&1", {
        stdio: "terminal",
        mounts: [{ type: "bind", fd, ...dest }],
      });
      expect(readFileSync(join(root.upper, "found"), "utf8")).toBe("1:3\n");
      closeSync(fd);
    });

    // Fails when the profile's name is written to whatever lies at that path, and the step runs without a profile.
    test("a mount in the place of /proc takes no profile's name (CVE-2019-16884, CVE-2019-19921)", async () => {
      const folder = join(roots.folder, "fake-proc");
      const attributes = join(folder, "thread-self/attr/apparmor");
      mkdirSync(attributes, { recursive: true });
      writeFileSync(join(attributes, "exec"), "");
      const fd = openSync(folder, O_PATH);
      const fake = { fd, sourcePath: "", kind: "folder", dest: "/proc", readonly: false } as const;
      const profiled = new Steps(roots, nativeFs, {
        ...readHostFacts(),
        apparmor: { profiles: undefined },
      });
      const mounts = [{ type: "bind", ...fake }] as const;
      await expect(profiled.sh("true", { apparmorProfile: "no-such-profile", mounts })).rejects.toMatchObject(
        {
          code: "TSB_SANDBOX",
          message: expect.stringMatching(/apparmor \/proc is not the kernel's: EPERM/),
        },
      );
      expect(readFileSync(join(attributes, "exec"), "utf8")).toBe("");
      // The kernel's own: it has no such profile, or no AppArmor.
      await expect(profiled.sh("true", { apparmorProfile: "no-such-profile" })).rejects.toMatchObject({
        code: "TSB_SANDBOX",
        message: expect.stringMatching(/apparmor no-such-profile: (?:ENOENT|EINVAL)/),
      });
      closeSync(fd);
    });

    test("a read-only root; the caller can still tidy up behind it", async () => {
      const { stderr, root } = await steps.sh("touch /x", { readonlyRoot: true });
      expect(stderr).toMatch(/Read-only file system/);
      expect(readdirSync(root.upper)).toEqual([]);
    });

    test("a missing mount point names call, path and line of the plan", async () => {
      const mounts = [{ type: "tmpfs", dest: "/not/there", mode: 0o755 }] as const;
      await expect(steps.sh("true", { mounts })).rejects.toMatchObject({
        code: "TSB_SANDBOX",
        message: expect.stringMatching(
          /openat2 \/not\/there: ENOENT \(line \d+ of the plan: mount .*dest=\/not\/there/,
        ),
      });
      expect(mountPoints(execSpec({ mounts })).at(-1)).toEqual({ path: "/not/there", type: "folder" });
    });

    test("a missing working folder is an error of the plan", async () => {
      await expect(steps.sh("true", { cwd: "/nowhere" })).rejects.toMatchObject({
        message: expect.stringMatching(/chdir \/nowhere: ENOENT/),
      });
    });
  });

  describe("network", () => {
    test("none: only lo, and it is up", async () => {
      const { stdout } = await steps.sh("ls /sys/class/net; ping -c1 -W1 127.0.0.1 | grep -c 'bytes from'", {
        network: "none",
      });
      expect(stdout).toBe("lo\n1\n");
    });

    test("host: the host's interfaces", async () => {
      const { stdout } = await steps.sh("readlink /proc/self/ns/net", { network: "host" });
      expect(stdout.trim()).toBe(readlinkSync("/proc/self/ns/net"));
    });
  });
});
