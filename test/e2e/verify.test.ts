import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar");
if (reason !== undefined) console.log(`skipped: verify: ${reason}`);

describe.skipIf(reason !== undefined)("tsbuild verify", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  const verify = (folder: string, ...flags: readonly string[]) =>
    world.tsbuild(["verify", "--progress=plain", ...flags, folder]);

  test("says so when both builds are the same, runs all again, and leaves cache mounts as they were", async () => {
    const dockerfile =
      "FROM busybox\nWORKDIR /w\nCOPY f .\nRUN --mount=type=cache,target=/c date > /d; echo x >> /c/n; rm /d\n";
    const folder = world.context("same", { Dockerfile: dockerfile, f: "1" });
    await world.ok(["build", "-q", folder]);
    const { code, stdout, stderr } = await verify(folder);
    expect(stdout).toMatch(/^reproducible: sha256:[0-9a-f]{64}, twice\n$/);
    expect(code).toBe(0);
    const [, first, second] = stderr.split(/^(?:first|second) build$/m);
    expect(first).not.toContain("(rebuilt: verify)");
    expect(second?.split("(rebuilt: verify)")).toHaveLength(4);
    const mounts = (await world.ok(["cache", "mounts", "ls", "--format", "json"])).stdout.trim().split("\n");
    expect(mounts.map((line) => JSON.parse(line).id)).toEqual(["/c"]);
    expect((await world.ok(["images"])).stdout).not.toMatch(/reproducible/);
    const { stderr: later } = await world.ok(["build", "--progress=plain", folder]);
    expect(later, "records are left alone").toMatch(/^built in .*: 4 cached$/m);
  }, 300_000);

  test("shows layer, path and attribute with both values", async () => {
    const uptime =
      "FROM busybox\nRUN mkdir /a && echo 1 > /a/b\nRUN echo same > /s; cat /proc/uptime > /up\n";
    const content = await verify(world.context("uptime", { Dockerfile: uptime }));
    expect(content.code).toBe(1);
    expect(content.stdout).toMatch(
      /^not reproducible\nlayer {4}3 of 3: RUN .*\/proc\/uptime.*\npath {5}\/up: content from byte \d+ on\n {2}first {3}".*"\n {2}second {2}".*"\nimages/,
    );
    const random = 'FROM busybox\nRUN touch "/f$(cat /proc/sys/kernel/random/uuid)"\n';
    const json = await verify(world.context("random", { Dockerfile: random }), "--format=json");
    expect(json.code).toBe(1);
    const { difference } = JSON.parse(json.stdout);
    expect(difference).toMatchObject({ layer: { number: 2, of: 2 }, attribute: "presence" });
    expect([difference.first, difference.second]).toContain("not there");
    // The hundredths of a second since the boot: no two steps within five seconds have the same.
    const mode = `FROM busybox\nRUN touch /m; chmod $(awk '{ printf "6%03o", ($1 * 100) % 512 }' /proc/uptime) /m\n`;
    expect((await verify(world.context("mode", { Dockerfile: mode }))).stdout).toMatch(
      /\/m: mode\n {2}first {3}06\d/,
    );
  }, 300_000);

  test("compares with an image that exists, by name or archive, dated as that", async () => {
    const dockerfile = "FROM busybox\nARG V=1\nRUN echo $V > /v\nCOPY f /f\n";
    const folder = world.context("against", { Dockerfile: dockerfile, f: "1" });
    const env = { SOURCE_DATE_EPOCH: "1700000000" };
    await world.ok(["build", "-q", "--reproducible", "-t", "released", folder], { env });
    const tar = world.path("released.tar");
    await world.ok(["save", "-o", tar, "released"]);
    for (const against of ["released", tar]) {
      const { stdout, code } = await verify(folder, "--against", against);
      expect(stdout).toMatch(/^reproducible/);
      expect(code).toBe(0);
    }
    const changed = await verify(folder, "--against", "released", "--build-arg", "V=2");
    expect(changed.stdout).toMatch(
      /\/v: content from byte 0 on\n {2}first {3}"1\\n"\n {2}second {2}"2\\n"\n/,
    );
    const labelled = await verify(folder, "--against", tar, "--label", "a=b");
    expect(labelled.stdout).toContain(
      'config   config.Labels: value\n  first   not there\n  second  {"a":"b"}\n',
    );
    expect((await verify(folder, "--against", "relaesed")).stderr).toContain("did you mean released");
  }, 300_000);
});
