/** The disk as it is at the moment that a machine loses its power: of an ext4 in a file, what is in that file. */
import { existsSync, mkdirSync, readdirSync, readlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Finished, importBusybox, missing, run, runOk, World } from "../e2e/world.ts";

const reason = missing("busybox", "tar", "mount", "umount", "unshare", "mkfs.ext4", "e2fsck");
if (reason !== undefined) console.log(`skipped: power cuts: ${reason}`);

/** Not the pid namespace that the kernel started with. */
const contained = readlinkSync("/proc/self/ns/pid") !== "pid:[4026531836]";
if (contained)
  console.log("skipped: a power cut right after a build: in a container tsbuild waits for the disk");

const DOCKERFILE = `FROM busybox
RUN for i in $(seq 50); do dd if=/dev/urandom of=/f$i bs=64k count=4 2>/dev/null; done
RUN sha256sum /f* > /sums
`;
const CHECK = "FROM app\nRUN sha256sum -c -s /sums\n";

describe.skipIf(reason !== undefined)("a power cut", () => {
  const world = new World();
  const disk = world.path("disk");

  beforeAll(async () => {
    writeFileSync(disk, "");
    truncateSync(disk, 256 * 1024 * 1024);
    await runOk("mkfs.ext4", ["-q", disk]);
    mkdirSync(world.root);
    await runOk("mount", ["-o", "loop", disk, world.root]);
    await importBusybox(world);
    await world.settled();
    await runOk("sync", ["-f", world.root]);
    writeFileSync(world.path("boot-id"), "11111111-2222-3333-4444-555555555555\n");
  });
  afterAll(async () => {
    await runOk("umount", ["-l", world.root]);
    world.close();
  });

  /** What is on the disk now is what there is when the machine has power again, and another boot id. */
  async function afterCut(
    name: string,
    use: (tsbuild: (...args: string[]) => Promise<Finished>) => Promise<void>,
  ): Promise<void> {
    const image = world.path(`${name}.disk`);
    const folder = world.path(name);
    mkdirSync(folder);
    await runOk("cp", ["--sparse=always", disk, image]);
    // 1: it mended what a power cut leaves, as a machine that starts does.
    expect((await run("e2fsck", ["-fy", image])).code).toBeLessThanOrEqual(1);
    await runOk("mount", ["-o", "loop", image, folder]);
    const boot = 'mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"';
    const before = ["unshare", "-m", "sh", "-c", boot, "sh", world.path("boot-id")];
    try {
      await use((...args) => world.tsbuild(args, { env: { TSBUILD_ROOT: folder }, before }));
    } finally {
      await runOk("umount", ["-l", folder]);
    }
  }

  const syncs = join(world.root, "v1/syncs");
  const marks = (): string[] => (existsSync(syncs) ? readdirSync(syncs) : []);

  test("costs nothing where nothing stays after a build, which waits for the disk itself", async () => {
    const folder = world.context("contained", { Dockerfile: "FROM busybox\nRUN echo some > /file\n" });
    const before = ["unshare", "--pid", "--fork", "--mount-proc"];
    const earlier = marks();
    const built = await world.tsbuild(["build", "--progress=plain", "-t", "contained", folder], { before });
    expect(built.code, built.stderr).toBe(0);
    expect(marks()).toEqual(earlier);
    await afterCut("contained-cut", async (tsbuild) => {
      expect(await tsbuild("fsck", "--deep")).toMatchObject({ code: 0 });
      const again = await tsbuild("build", "--progress=plain", "-t", "contained", folder);
      expect(again.stderr).toMatch(/built in .*: 2 cached/);
    });
  });

  test.skipIf(contained)(
    "right after a build costs its layers and names, and once they are on the disk nothing",
    async () => {
      const folder = world.context("app", { Dockerfile: DOCKERFILE });
      const check = world.context("check", { Dockerfile: CHECK });
      await world.build(folder, "-t", "app");
      await afterCut("early", async (tsbuild) => {
        expect(await tsbuild("fsck", "--deep")).toMatchObject({ code: 0 });
        expect(await tsbuild("build", "--progress=plain", "-t", "app", folder)).toMatchObject({ code: 0 });
        expect(await tsbuild("build", "--progress=plain", check)).toMatchObject({ code: 0 });
      });
      await expect.poll(marks, { timeout: 60_000 }).toEqual([expect.stringMatching(/\.done$/)]);
      await afterCut("late", async (tsbuild) => {
        expect(await tsbuild("fsck", "--deep")).toMatchObject({ code: 0 });
        expect((await tsbuild("images")).stdout).toMatch(/^app /m);
        expect(await tsbuild("build", "--progress=plain", check)).toMatchObject({ code: 0 });
        const again = await tsbuild("build", "--progress=plain", "-t", "app", folder);
        expect(again.stderr).toMatch(/built in .*: 3 cached/);
      });
    },
  );
});
