/** Builds where no namespace can be made (`--isolation=chroot`): root with what Docker leaves a container by default. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandsLeft, mountsOf, runningCommands } from "./processes.ts";
import { type Finished, importBusybox, main, missing, type RunOptions, run, World } from "./world.ts";

const reason = missing("busybox", "tar", "setpriv");
if (reason !== undefined) console.log(`skipped: builds without namespaces: ${reason}`);

/** Docker's default set: CAP_SYS_ADMIN, which namespaces and mounts need, is not in it. */
const KEPT =
  "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap";

describe.skipIf(reason !== undefined)("without namespaces", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  function contained(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const bounding = ["-all", ...KEPT.split(" ").map((name) => `+${name}`)].join(",");
    // What native/userns says where the runtime's filter forbids unshare(2).
    const refused = { TSBUILD_USERNS: "none 0 unshare: Operation not permitted" };
    // A runtime needs namespaces: whoever asks for one gets no chroot.
    const env = {
      TSBUILD_ROOT: world.root,
      TSBUILD_OCI_RUNTIME: "",
      ...refused,
      ...world.env,
      ...options.env,
    };
    const identity = ["--inh-caps=-all", `--bounding-set=${bounding}`];
    const program = [process.execPath, "--disable-warning=ExperimentalWarning", main];
    return run("setpriv", [...identity, ...program, ...args], { ...options, env });
  }

  function context(name: string, ...lines: string[]): string {
    return world.context(name, {
      Dockerfile: ["FROM busybox", ...lines].join("\n"),
      f: "from the context\n",
    });
  }

  async function build(folder: string, ...flags: string[]): Promise<string> {
    const { code, stderr } = await contained(["build", "--progress=plain", ...flags, folder]);
    expect(code, stderr).toBe(0);
    return stderr;
  }

  test("a chroot is taken, and what it shares is said once", async () => {
    const log = await build(context("plain", "RUN grep root /etc/passwd && id -u > /id", "RUN cat /id >&2"));
    expect(log.match(/steps run in a chroot/g)).toHaveLength(1);
    expect(log).toMatch(/processes, network, .* are shared/);
    const { code, stderr } = await contained(["build", "--isolation=sandbox", context("asked", "RUN true")]);
    expect([code, stderr]).toEqual([1, expect.stringContaining("no user namespace for uid 0: unshare")]);
  });

  test("doctor says the same, and where the state folder cannot be", async () => {
    const { code, stdout } = await contained(["doctor"]);
    expect(code, stdout).toBe(0);
    expect(stdout).toContain("no     user namespace: unshare: Operation not permitted\n");
    expect(stdout).toContain("without it: steps run in a chroot: processes, network");
    expect(stdout).toContain("no     private network: steps run in a chroot\n");
    const nowhere = await contained(["doctor", "--root", "/proc/state"]);
    expect(nowhere.code).toBe(1);
    expect(nowhere.stdout).toMatch(/^FAILS {2}state folder: nothing can be written to \/proc\/state: E\w+/m);
  });

  test("mounts are copies that leave no trace in the layer", async () => {
    const folder = context(
      "mounts",
      "RUN mkdir -p /kept && echo old > /kept/old && echo of-the-image > /etc/motd",
      "RUN --mount=type=cache,target=/cache echo cached > /cache/c",
      [
        "RUN --mount=type=bind,source=f,target=/etc/motd",
        "--mount=type=bind,target=/kept,rw",
        "--mount=type=cache,target=/cache",
        "--mount=type=tmpfs,target=/t",
        "--mount=type=secret,id=s,target=/s,mode=400",
        "cat /etc/motd /kept/f /cache/c /s && test ! -e /kept/old && touch /kept/new /t/x && echo x > /dev/null && rm -rf /s /t",
      ].join(" "),
      "RUN cat /kept/old && ls -A / /etc /kept > /list",
    );
    const layout = world.path("layout");
    world.context("secrets", { s: "hidden\n" });
    const secret = `id=s,src=${world.path("secrets/s")}`;
    const oci = `type=oci,tar=false,compression=uncompressed,dest=${layout}`;
    const log = await build(folder, "--secret", secret, "-o", oci);
    expect(log).toContain("from the context");
    expect(log).toContain("cached");
    const blobs = readdirSync(join(layout, "blobs/sha256")).map((name) => join(layout, "blobs/sha256", name));
    const listings = await Promise.all(blobs.map((path) => run("tar", ["-tf", path])));
    const layers = listings.filter(({ code }) => code === 0).map(({ stdout }) => stdout.split("\n").sort());
    expect(layers).toContainEqual(["", "list"]);
    expect(layers).toContainEqual(["", "etc/", "etc/motd", "kept/", "kept/old"]);
    const all = layers.flat();
    for (const path of ["s", "t/", "cache/", "cache/c", "kept/new", "kept/f", "dev/null"])
      expect(all).not.toContain(path);
  });

  test("users, limits, and the capabilities that are left; no way out by another chroot", async () => {
    const log = await build(
      context(
        "users",
        "RUN chown 1000:1001 /home && ulimit -n >&2 && ! chroot / true",
        "USER alice",
        "RUN id >&2 && ! touch /denied",
      ),
      "--ulimit=nofile=100:200",
    );
    expect(log).toMatch(/^#\d+ [\d.]+ 100$/m);
    expect(log).toContain("uid=1000(alice) gid=1001(alice)");
  });

  test("no process outlives its step, whatever session it hides in", async () => {
    const mark = `41.${process.pid}`;
    const hide = `(setsid sleep ${mark} >/dev/null 2>&1 &); (sleep ${mark} &)`;
    await build(context("orphans", `RUN ${hide}; sleep 0.2; true`));
    expect(runningCommands(`sleep ${mark}`)).toEqual([]);
  });

  test.each(["SIGINT", "SIGKILL"] as const)(
    "nor a build that gets %s; the next one works",
    async (signal) => {
      const mark = `42.${process.pid}${signal.length}`;
      const folder = context(
        `cut-${signal}`,
        `RUN --mount=type=cache,target=/c (setsid sleep ${mark} &); trap '' TERM INT; echo up; sleep ${mark}`,
      );
      await contained(["build", "--progress=plain", folder], { signalOn: { match: /[\d.]+ up/, signal } });
      expect(await commandsLeft(`sleep ${mark}`)).toEqual([]);
      await build(context("after", "RUN --mount=type=cache,target=/c ls /c"), "--no-cache");
      expect(mountsOf(world.folder)).toEqual([]);
    },
  );

  test("what cannot be had is refused by name", async () => {
    const none = await contained(["build", context("none", "RUN --network=none true")]);
    expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("needs a namespace")]);
    const runtime = await contained(["run", "--isolation=chroot", "--oci-runtime=runc", "busybox", "true"]);
    expect(runtime.stderr).toContain("runs no step in runc");
    const typo = await contained(["build", "--isolation=hyperv", context("typo", "RUN true")]);
    expect(typo.stderr).toContain("auto, sandbox, chroot");
  });

  test("run ends with the command's status", async () => {
    expect(await contained(["run", "busybox", "sh", "-c", "echo out; exit 7"])).toMatchObject({
      code: 7,
      stdout: "out\n",
    });
  });
});
