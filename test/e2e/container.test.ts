/** Root without CAP_SYS_ADMIN, as in an ordinary container: a user namespace of its own where one may be made, else words. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bounding, hiding, KEPT } from "./contained.ts";
import { type Finished, importBusybox, main, missing, run, World } from "./world.ts";

const reason = missing("busybox", "tar", "setpriv", "unshare");
if (reason !== undefined) console.log(`skipped: builds in a container: ${reason}`);

describe.skipIf(reason !== undefined)("root in a container", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  function contained(words: readonly string[], folder: string, ...flags: string[]): Promise<Finished> {
    const build = [main, "build", "--progress=plain", ...flags, folder];
    const [program = "", ...args] = [
      ...words,
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      ...build,
    ];
    return run(program, args, { env: { TSBUILD_ROOT: world.root, ...world.env } });
  }

  function context(name: string, ...lines: string[]): string {
    return world.context(name, { Dockerfile: ["FROM busybox", ...lines].join("\n") });
  }

  test("has the whole sandbox, and every id", async () => {
    const step =
      "RUN chown 70000:8 /etc/passwd && test $$ = 1 -o -d /proc/1 && grep -q 'Seccomp:.2' /proc/self/status";
    const { code, stderr } = await contained(
      bounding(KEPT),
      context("whole", step, "RUN echo these: /proc/[0-9]*"),
    );
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("chroot")]);
    // Its own processes alone: the shell, which looks itself and starts nothing, below PID 1.
    expect(stderr).toMatch(/ these: \/proc\/1( \/proc\/\d+)?$/m);
  });

  test("where parts of /proc are hidden steps see the container's, said once, and nothing of it opens", async () => {
    const look =
      "cat /proc/1/comm && ! cat /proc/1/environ && ! ls /proc/1/root/ && ! echo x >/proc/sys/kernel/hostname";
    const folder = context(
      "hidden",
      `RUN ${look}`,
      "RUN ls /dev/fd/ && chown 70000:8 /etc/passwd && test $(stat -c %u:%g /etc/passwd) = 70000:8 && id -u",
    );
    const hidden = [...hiding(), ...bounding(KEPT)];
    const { code, stderr } = await contained(hidden, folder, "--oci-runtime=");
    expect(code, stderr).toBe(0);
    expect(stderr.match(/steps share this container's network and see its \/proc/g)).toHaveLength(1);
    // Any program will do: it is not started.
    const refused = await contained(hidden, folder, "--no-cache", "--oci-runtime=/bin/sh");
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("needs a new /proc")]);
    expect(refused.stderr).toContain("leave --oci-runtime out");
  });

  test("doctor names the hidden /proc, and what to type", async () => {
    const look = [main, "doctor", "--format=json"];
    const [program = "", ...args] = [...hiding(), ...bounding(KEPT), process.execPath, ...look];
    const { stdout } = await run(program, args, { env: { TSBUILD_ROOT: world.root, ...world.env } });
    const gates: { name: string; holds: boolean; fix: string }[] = JSON.parse(stdout);
    const proc = gates.find(({ name }) => name === "new /proc and /sys");
    expect(proc).toMatchObject({ holds: false, fix: expect.stringContaining("unmask=ALL") });
    expect(gates.find(({ name }) => name === "user namespace")).toMatchObject({ holds: true });
  });

  test("without any namespace, nor chroot(2), is told what to type", async () => {
    const forbid = [
      "unshare",
      "--map-root-user",
      "sh",
      "-c",
      'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"',
      "sh",
    ];
    const { code, stderr } = await contained(
      [...forbid, ...bounding(["chown"])],
      context("none", "RUN true"),
    );
    expect(code).toBe(1);
    expect(stderr).toContain("no user namespace for uid 0: unshare: No space left on device");
    expect(stderr).toContain("seccomp profile that allows unshare");
  });
});
