/** Ways out of a step into the host: descriptors, working folders, programs, mounts and their points. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { main, runOk } from "../e2e/world.ts";
import { AttackWorld, compileProgram, RUNTIMES, skipReason } from "./support/attack.ts";

const reason = skipReason("escape.test.ts", "chroot");

const DESCRIPTORS = Array.from({ length: 14 }, (_, index) => index + 3);
/** More than any folder is deep: `..` of the top is the top. */
const UP = "../".repeat(24);

/** What two texts of `mountinfo` do not share, without mounts on folders that are gone: another test that removes one takes it from all namespaces. */
function mountChanges(before: string, after: string): string[] {
  const old = readFileSync(before, "utf8").split("\n");
  const now = readFileSync(after, "utf8").split("\n");
  const lost = old.filter((line) => !now.includes(line) && existsSync(line.split(" ")[4] ?? ""));
  return [...lost, ...now.filter((line) => !old.includes(line))];
}

describe.skipIf(reason !== undefined)("ways out of a step", () => {
  const world = new AttackWorld();
  const breakout = world.path("breakout");
  beforeAll(async () => {
    await world.start();
    compileProgram("breakout", breakout);
  });
  afterAll(() => world.close());

  // Fails when this machine keeps a leaked descriptor from being a way out: then the tests below prove nothing.
  test("canary: who inherits a folder of the host is outside by way of /proc/self/fd", () => {
    const rootfs = world.path("busybox");
    mkdirSync(join(rootfs, "proc"), { recursive: true });
    const leaked = openSync(world.outside, "r");
    // A chroot with its own /proc, and one descriptor too many: what the tests below must not be able to do.
    const script = `mount -t proc proc ${rootfs}/proc && exec chroot ${rootfs} /bin/sh -c 'cd /proc/self/fd/3 && cat precious && exec ./busybox echo ran'`;
    const weak = spawnSync("unshare", ["-m", "sh", "-c", script], {
      stdio: ["ignore", "pipe", "pipe", leaked],
      encoding: "utf8",
    });
    closeSync(leaked);
    expect(weak.stdout).toBe(`${world.text}ran\n`);
    // And a chroot by itself is none: root climbs out of it.
    copyFileSync(breakout, join(rootfs, "breakout"));
    const climbed = spawnSync("chroot", [rootfs, "/breakout", world.precious], { encoding: "utf8" });
    expect(climbed.stdout).toContain(world.text);
  });

  describe.each(RUNTIMES)("in the %s sandbox", (name, flags) => {
    // Fails when the step changes into its folder before the builder's descriptors are closed, or the folder may be outside of the root.
    test("no descriptor is a working folder (CVE-2024-21626)", async () => {
      const read = `RUN cat ${UP}.${world.precious} ${UP}..${world.precious}; ls ${UP}`;
      for (const fd of DESCRIPTORS) {
        const { log } = await world.attempt(["FROM busybox", `WORKDIR /proc/self/fd/${fd}`, read], flags);
        expect(log, `descriptor ${fd}`).not.toContain(world.text);
      }
      for (const path of [
        "/proc/1/cwd",
        "/proc/1/root",
        "/proc/self/cwd",
        "/link",
        "/proc/thread-self/fd/5",
      ]) {
        const dockerfile = ["FROM busybox", "RUN ln -s /proc/self/fd/5 /link", `WORKDIR ${path}`, read];
        const { log } = await world.attempt(dockerfile, flags);
        expect(log, path).not.toContain(world.text);
      }
    });

    // Fails when descriptors are closed by the execution (close-on-exec) only: the program is looked up before.
    test("no program is found through a descriptor, in PATH or by name", async () => {
      const paths = DESCRIPTORS.map((fd) => `/proc/self/fd/${fd}/${UP}${world.outside.slice(1)}`);
      const { code, log } = await world.attempt(
        ["FROM busybox", `ENV PATH=${paths.join(":")}`, 'RUN ["busybox", "echo", "ran outside"]'],
        flags,
      );
      expect(log).not.toContain("\nran outside");
      expect(log).not.toMatch(/^#\d+ [\d.]+ ran outside/m);
      expect(code).toBe(1);
      // Canary: the same step by a PATH of the image's own.
      const own = await world.attempt(
        ["FROM busybox", "ENV PATH=/bin", 'RUN ["busybox", "echo", "ran", "inside"]'],
        flags,
      );
      expect(own.log).toMatch(/^#\d+ [\d.]+ ran inside/m);
      const named = paths.map((path) => `RUN ["${path}/busybox", "echo", "ran"]`);
      for (const line of named.slice(0, 6))
        expect((await world.attempt(["FROM busybox", line], flags)).code).toBe(1);
    });

    // Fails when /dev/null is opened in the root by its name after the step's mounts, with descriptors still open.
    test("standard input is the null device, whatever a mount puts at /dev/null", async () => {
      for (const fd of DESCRIPTORS.slice(0, 6)) {
        const dockerfile = [
          "FROM busybox AS evil",
          `RUN mkdir /d && ln -s /proc/self/fd/${fd}/${UP}${world.precious.slice(1)} /d/null`,
          "FROM busybox",
          "RUN ln -s dev /alias",
          "RUN --mount=type=bind,from=evil,source=/d,target=/alias cat",
        ];
        expect((await world.attempt(dockerfile, flags)).log).not.toContain(world.text);
      }
      expect(world.isIntact).toBe(true);
    });

    // Fails when a descriptor of the builder, of a cache or of a root is inherited by the command.
    test("what is open in a step is its standard streams (B011)", async () => {
      const { log } = await world.attempt(
        "FROM busybox\nRUN --mount=type=cache,target=/c exec sh -c 'for f in /proc/self/fd/*; do n=$(readlink $f); echo \"open ${f##*/} $n\"; done'\n",
        flags,
      );
      const open = [...log.matchAll(/^#\d+ [\d.]+ open (\d+) (.*)$/gm)].filter(([, , to]) => to !== "");
      expect(open.map(([, fd]) => Number(fd)).filter((fd) => fd > 2)).toEqual([]);
      expect(open.length).toBeGreaterThan(0);
    });

    // Fails when the step's root is a folder of the host's that a chroot shuts: neither mounted over the old root nor made the only one.
    test("a root above the step's is not there: nobody climbs out of a chroot into it", async () => {
      const { code, log } = await world.attempt(
        [
          "FROM busybox",
          "COPY --chmod=755 breakout /",
          `RUN /breakout ${world.precious}; /breakout /precious`,
        ],
        flags,
        { files: { breakout: readFileSync(breakout) } },
      );
      expect(code, log).toBe(1);
      expect(log).not.toContain(world.text);
      expect(log).toMatch(/^#\d+ [\d.]+ climbed to a root without /m);
    });

    /*
     * Fails when the namespace of a step, or of the program that connects its network, stays a peer of the builder's: then what is mounted
     * or unmounted inside is so outside.
     */
    test("mounts of a step appear nowhere else, also where the machine's are shared", async () => {
      const folder = world.context(`shared-${name}`, {
        Dockerfile:
          "FROM busybox\nRUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/c nc -w 1 127.0.0.1 9; true\n",
      });
      const tsbuild = `${process.execPath} --disable-warning=ExperimentalWarning ${main}`;
      const script = `mount --make-rprivate / && mount --make-rshared / && cat /proc/self/mountinfo > ${world.path("before")} && ${tsbuild} build --no-cache --progress=plain ${flags.join(" ")} ${folder}; code=$?; cat /proc/self/mountinfo > ${world.path("after")}; exit $code`;
      const env = { TSBUILD_ROOT: world.root, ...world.env };
      await runOk("unshare", ["-m", "sh", "-c", script], { env });
      expect(mountChanges(world.path("before"), world.path("after"))).toEqual([]);
    });

    // Fails when PID 1 runs from a file that can be written to: a bind of the program itself, without the read-only mount.
    test("the program that starts steps cannot be overwritten (CVE-2019-5736)", async () => {
      const programs = [
        join(import.meta.dirname, "../../native/build/tsbuild-sandbox"),
        ...(name === "runc" ? ["/usr/sbin/runc"] : []),
      ].filter((path) => existsSync(path));
      const digests = (): string[] =>
        programs.map((path) => createHash("sha256").update(readFileSync(path)).digest("hex"));
      const before = digests();
      await world.attempt('FROM busybox\nRUN ["/proc/self/exe", "init"]\n', flags);
      // A program that runs cannot be written to, whoever may: "busy" says that nothing but this stood in the way.
      const overwrite =
        "mkdir /bin/own; cp /bin/busybox /bin/own/sleep; /bin/own/sleep 60 & until [ \"$(readlink /proc/$!/exe)\" = /bin/own/sleep ]; do sleep 0.1; done; for i in 1 2 3; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in /bin/*) ;; *) echo x > $p/exe && echo 'over''written';; esac; done; done 2>&1 | sed 's/^/exe: /'; (echo x > /bin/own/sleep) 2>&1 | sed 's/^/own: /'; true";
      const { log } = await world.attempt(["FROM busybox", `RUN ${overwrite}`], flags);
      const said = log.split("\n").filter((line) => /^#\d+ \d/.test(line));
      expect(said.filter((line) => /exe: .*(?:overwritten|busy)/.test(line))).toEqual([]);
      // Canary: the step's own program is busy.
      expect(said.filter((line) => /own: .*busy/.test(line))).toHaveLength(1);
      expect(digests()).toEqual(before);
    });

    // Fails when mount points are removed by the path that they had at first, without the check of what is there now.
    test("taking mount points away takes nothing of the host away (CVE-2024-23652)", async () => {
      const victim = join(world.outside, "empty/inner");
      const time = new Date("2001-02-03T04:05:06Z");
      mkdirSync(victim, { recursive: true });
      utimesSync(victim, time, time);
      // The host's folder looks like the image's: same owner, mode and time, and empty.
      const look = lstatSync(victim);
      const { code, log } = await world.attempt(
        [
          "FROM busybox",
          "RUN mkdir -p /v/inner && ln -s v /l && touch -d '2001-02-03 04:05:06' /v/inner /v",
          `RUN --mount=type=tmpfs,target=/l/inner/stub rm /l && ln -s ${join(world.outside, "empty")} /l`,
          `RUN --mount=type=tmpfs,target=${join(world.outside, "empty/inner/stub")} true`,
        ],
        flags,
      );
      expect(code, log).toBe(0);
      expect(readdirSync(join(world.outside, "empty"))).toEqual(["inner"]);
      expect(lstatSync(victim).ctimeMs).toBe(look.ctimeMs);
      rmdirSync(victim);
    });

    // Fails when a target is made or mounted on at a joined path, or /etc/resolv.conf and /etc/hosts are bound by name.
    test("mount targets that are links of the image stay in the image", async () => {
      const { code, log } = await world.attempt(
        [
          "FROM busybox AS data",
          "RUN echo mine > /data",
          "FROM busybox",
          `RUN rm -f /etc/resolv.conf /etc/hosts; ln -s ${world.precious} /etc/resolv.conf; ln -s ../../..${world.precious} /etc/hosts; ln -s ${world.outside} /t; ln -s /proc/self/root${world.outside} /m`,
          "RUN --mount=type=bind,from=data,source=/data,target=/t/precious --mount=type=cache,target=/t/made/cache cat /t/precious",
          "RUN --mount=type=tmpfs,target=/m/made/tmpfs true; true",
        ],
        flags,
      );
      expect(log).not.toContain(world.text);
      expect(world.isIntact).toBe(true);
      expect(readdirSync(world.outside).sort()).toEqual(["busybox", "empty", "precious"]);
      // The second kind may be refused, the first is as Docker has it.
      expect(log, String(code)).toMatch(/mine/);
    });

    // Fails when a source below a stage is resolved by name instead of below the stage's descriptor.
    test("sources of mounts that are links stay in their stage (CVE-2024-23651)", async () => {
      const dockerfile = [
        "FROM busybox AS evil",
        `RUN ln -s ${world.outside} /out; ln -s ../../../../../../../..${world.outside} /up; ln -s /proc/self/root /magic`,
        "FROM busybox",
      ];
      for (const source of ["/out", "/up", `/magic${world.outside}`]) {
        const line = `RUN --mount=type=bind,from=evil,source=${source},target=/m cat /m/precious; ls -la /m`;
        expect((await world.attempt([...dockerfile, line], flags)).log, source).not.toContain(world.text);
      }
    });
  });
});
