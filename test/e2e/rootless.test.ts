import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, type Finished, findProgram, main, missing, run, runOk, World } from "./world.ts";

const skip = missing("busybox", "useradd", "userdel", "setpriv", "newuidmap", "newgidmap", "setcap");
if (skip !== undefined) console.warn(`test/e2e/rootless.test.ts skipped: ${skip}`);

const name = `tsbuild-t${process.pid}`;

describe.skipIf(skip !== undefined)("a normal user", () => {
  let world: World;
  let uid = 0;
  let gid = 0;

  beforeAll(async () => {
    world = new World();
    chmodSync(world.folder, 0o755);
    await runOk("useradd", ["--create-home", "--home-dir", world.path("home"), name]);
    const entry = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.startsWith(`${name}:`));
    [uid, gid] = (entry ?? "").split(":").slice(2, 4).map(Number) as [number, number];
    const tar = await busyboxTar(world);
    await asUser(["import", tar, "busybox"]);
  });

  afterAll(async () => {
    // Files of subordinate ids are root's to remove.
    await run("userdel", ["--force", name]);
    world.close();
  });

  /** tsbuild as the user, with a home of its own; `path` without newuidmap leaves the user a single id. */
  function start(args: readonly string[], extra: Readonly<Record<string, string>> = {}): Promise<Finished> {
    const identity = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
    const program = [process.execPath, "--disable-warning=ExperimentalWarning", main];
    const home = world.path("home");
    const env = { ...world.env, HOME: home, XDG_DATA_HOME: join(home, "data"), USER: name, ...extra };
    return run(findProgram("setpriv") ?? "", [...identity, ...program, ...args], { cwd: "/", env });
  }

  async function asUser(args: readonly string[]): Promise<Finished> {
    const finished = await start(args);
    expect(finished, finished.stderr).toMatchObject({ code: 0 });
    return finished;
  }

  function context(folder: string, dockerfile: string): string {
    const path = world.path("home", folder);
    mkdirSync(path, { recursive: true });
    chownSync(path, uid, gid);
    writeFileSync(join(path, "Dockerfile"), dockerfile);
    return path;
  }

  test("owners, removals and opaque folders end up in the image; state is in XDG_DATA_HOME", async () => {
    const folder = context(
      "owners",
      [
        "FROM busybox",
        "COPY --chown=7:8 Dockerfile /copied",
        "RUN touch /f && chown 1000:1001 /f && rm /etc/group && chown 33:33 /var",
        "RUN rm -rf /home && mkdir /home && echo new >/home/x && test ! -e /etc/group",
        "USER alice",
        'RUN test "$(id -u):$(id -g)" = 1000:1001 && echo x >/dev/null && ! touch /denied',
      ].join("\n"),
    );
    const tar = join(folder, "out.tar");
    await asUser(["build", "--progress=plain", "-o", `type=tar,dest=${tar}`, folder]);
    const listing = (await runOk("tar", ["--numeric-owner", "-tvf", tar])).stdout;
    const owner = (path: string) =>
      new RegExp(` (\\d+/\\d+) .* ${path}$`, "m").exec(listing)?.[1] ?? "absent";
    const paths = ["f", "copied", "var/", "home/", "etc/group"];
    expect(paths.map(owner)).toEqual(["1000/1001", "7/8", "33/33", "0/0", "absent"]);
    expect(readFileSync(join(world.path("home"), "data/tsbuild/v1/state.db")).length).toBeGreaterThan(0);
  });

  test("device nodes of an imported archive are left out", async () => {
    const made = world.path("nodes");
    await runOk("sh", ["-c", `mkdir ${made} && mknod ${made}/disk b 7 0 && touch ${made}/file`]);
    await runOk("tar", ["-C", made, "-rf", world.path("busybox.tar"), "disk", "file"]);
    await asUser(["import", world.path("busybox.tar"), "nodes"]);
    await asUser(["build", context("nodes-of", "FROM nodes\nRUN test -e /file && ! test -e /disk\n")]);
  });

  const noDebian = missing("mmdebstrap");
  if (noDebian !== undefined) console.warn(`a normal user's apt-get is not tested: ${noDebian}`);

  test.skipIf(noDebian !== undefined)(
    "apt-get, dpkg's owners and modes, and file capabilities",
    async () => {
      const base = world.path("debian.tar");
      const include = "--include=libcap2-bin";
      await runOk("mmdebstrap", ["--quiet", "--variant=minbase", include, "bookworm", base]);
      await asUser(["import", base, "debian"]);
      const folder = context(
        "debian",
        [
          "FROM debian",
          "RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends cron",
          "RUN cp /bin/true /cap && setcap cap_net_bind_service+ep /cap",
          "RUN getcap /cap && stat -c '%U:%G %a' /usr/bin/crontab /var/cache/apt/archives/partial",
        ].join("\n"),
      );
      const tar = join(folder, "out.tar");
      const { stderr } = await asUser(["build", "--progress=plain", "-o", `type=tar,dest=${tar}`, folder]);
      expect(stderr).toContain("/cap cap_net_bind_service=ep");
      expect(stderr).toContain("root:crontab 2755");
      expect(stderr).toContain("_apt:root 700");
      mkdirSync(world.path("empty-cap"));
      // Revision 2: to whoever unpacks the image as root, the capability is the machine's, not one namespace's (capabilities(7)).
      await runOk("tar", [
        "--xattrs",
        "--xattrs-include=*",
        "-C",
        world.path("empty-cap"),
        "-xf",
        tar,
        "cap",
      ]);
      const { stdout } = await runOk("getcap", ["-n", world.path("empty-cap/cap")]);
      expect(stdout).toMatch(/cap cap_net_bind_service=ep\s*$/);
    },
    300_000,
  );

  test("a second build is cached, and a step without network sees only its loopback", async () => {
    const folder = context("cached", "FROM busybox\nRUN --network=none ls /sys/class/net\n");
    const first = await asUser(["build", "--progress=plain", folder]);
    expect(first.stderr).toMatch(/ lo$/m);
    const second = await asUser(["build", "--progress=plain", folder]);
    expect(second.stderr).toContain("CACHED");
  });

  test("a step's root is not the machine's: it may not write what is the host's", async () => {
    const folder = context(
      "confined",
      "FROM busybox\nRUN cat /proc/self/uid_map && ! echo x >/proc/sys/kernel/hostname && ! mknod /d b 254 0\n",
    );
    const { stderr } = await asUser(["build", "--progress=plain", folder]);
    expect(stderr).toMatch(new RegExp(` 0 +${uid} +1$`, "m"));
  });

  test("an insecure step has the devices that the host has", async () => {
    const folder = context("insecure", "FROM busybox\nRUN --security=insecure echo x >/dev/null && id -u\n");
    await asUser(["build", "--progress=plain", "--allow=security.insecure", folder]);
  });

  test("doctor says what the user has, and with one id what to type", async () => {
    type Gates = { name: string; holds: boolean; found: string; fix: string }[];
    const look = async (extra: Readonly<Record<string, string>>) => {
      const { code, stdout } = await start(["doctor", "--format=json"], extra);
      expect(code).toBe(0);
      return new Map((JSON.parse(stdout) as Gates).map((gate) => [gate.name, gate]));
    };
    const full = await look({});
    expect(full.get("subordinate ids")).toMatchObject({ holds: true });
    expect(full.get("overlay")).toMatchObject({ holds: true });
    const single = await look({ PATH: world.path("empty") });
    expect(single.get("user namespace")).toMatchObject({ holds: true });
    expect(single.get("subordinate ids")).toMatchObject({ holds: false, found: "newuidmap: not installed" });
    // The user has a range: another one would not help.
    expect(single.get("subordinate ids")?.fix).toBe("see newuidmap, newgidmap below");
    expect(single.get("newuidmap, newgidmap")?.fix).toContain("apt-get install uidmap");
  });

  // Fails when the set-user-ID bit is taken for what makes a mapper: Fedora's have capabilities instead.
  test("mappers with file capabilities map ids, without them they are named, and what to type", async () => {
    const folder = world.path("mappers");
    mkdirSync(folder);
    const mappers = { newuidmap: "cap_setuid=ep", newgidmap: "cap_setgid=ep" };
    for (const mapper of Object.keys(mappers)) {
      copyFileSync(findProgram(mapper) ?? "", join(folder, mapper));
      chmodSync(join(folder, mapper), 0o755);
    }
    const extra = { PATH: `${folder}:${process.env["PATH"]}`, XDG_DATA_HOME: world.path("home/mappers") };
    const gates = async (): Promise<Map<string, { holds: boolean; found: string; fix: string }>> => {
      const { stdout } = await start(["doctor", "--format=json"], extra);
      const all = JSON.parse(stdout) as { name: string; holds: boolean; found: string; fix: string }[];
      return new Map(all.map((gate) => [gate.name, gate]));
    };
    const bare = (await gates()).get("newuidmap, newgidmap");
    expect(bare).toMatchObject({
      holds: false,
      found: `${join(folder, "newuidmap")} has no set-user-ID bit, nor capabilities that work`,
      fix: expect.stringContaining(`setcap cap_setuid=ep ${join(folder, "newuidmap")}`),
    });
    for (const [mapper, capability] of Object.entries(mappers))
      await runOk(findProgram("setcap") ?? "", [capability, join(folder, mapper)]);
    expect((await gates()).get("newuidmap, newgidmap")).toMatchObject({ holds: true, found: "map ids" });
    expect((await gates()).get("subordinate ids")).toMatchObject({ holds: true });
  });

  test("with one id only, a step runs as root, and a chown says what is missing", async () => {
    const none = { PATH: world.path("empty"), XDG_DATA_HOME: world.path("home/single") };
    mkdirSync(none.PATH, { recursive: true });
    const tar = world.path("busybox.tar");
    expect(await start(["import", tar, "busybox"], none)).toMatchObject({ code: 0 });
    const root = context("single", "FROM busybox\nRUN id -u && touch /made\n");
    expect(await start(["build", "--progress=plain", root], none)).toMatchObject({ code: 0 });
    const chown = context("chown", "FROM busybox\nCOPY --chown=7:8 Dockerfile /copied\n");
    const refused = await start(["build", "--progress=plain", chown], none);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("copied");
    expect(refused.stderr).toContain("7:8");
    expect(refused.stderr).toContain("usermod --add-subuids");
    const steps = [
      ["inside", "RUN chown 7:8 /etc/passwd", "for want of subordinate ids"],
      ["user", "USER alice\nRUN true", "is not among this user's ids"],
    ] as const;
    for (const [name, line, words] of steps) {
      const failed = await start(["build", context(name, `FROM busybox\n${line}\n`)], none);
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining(words)]);
      expect(failed.stderr).toContain("usermod --add-subuids");
    }
  });

  test("doctor makes no state folder; limits above the user's own are told as such", async () => {
    const state = world.path("home/untouched/state");
    expect(await start(["doctor", "--root", state])).toMatchObject({ code: 0 });
    expect(existsSync(world.path("home/untouched"))).toBe(false);
    const high = context("high", "FROM busybox\nRUN true\n");
    const { code, stderr } = await start(["build", "--ulimit=nofile=1000000000", high]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("above this user's own hard limit")]);
  });
});
