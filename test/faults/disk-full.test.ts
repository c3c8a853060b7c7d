import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { fsck, openStore } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Finished, importBusybox, missing, runOk, World } from "../e2e/world.ts";

const reason = missing("busybox", "tar", "mount", "umount");
if (reason !== undefined) console.log(`skipped: full disks: ${reason}`);

const MIB = 1024 * 1024;

describe.skipIf(reason !== undefined)("a disk that is full", () => {
  const world = new World();
  const small = world.path("small");

  beforeAll(async () => {
    mkdirSync(world.root);
    mkdirSync(small);
    await runOk("mount", ["-t", "tmpfs", "-o", "size=32m,mode=700", "tmpfs", world.root]);
    await runOk("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small]);
    await importBusybox(world);
  });
  afterAll(async () => {
    for (const folder of [world.root, small]) await runOk("umount", ["-l", folder]);
    world.close();
  });

  function build(
    name: string,
    files: Record<string, string | Uint8Array>,
    ...flags: string[]
  ): Promise<Finished> {
    return world.tsbuild(["build", "--progress=plain", ...flags, world.context(name, files)]);
  }

  async function expectSound(): Promise<void> {
    const store = await openStore({ root: world.root, native: nativeFs });
    try {
      expect(await fsck(store)).toEqual([]);
    } finally {
      await store.close();
    }
    const good = await build("good", { Dockerfile: `FROM busybox\nRUN echo ${Date.now()} > /x\n` });
    expect(good.code, good.stderr).toBe(0);
  }

  test("COPY of more than fits", async () => {
    const { code, stderr } = await build("copy", {
      Dockerfile: "FROM busybox\nCOPY big /big\n",
      big: Buffer.alloc(40 * MIB, "x"),
    });
    expect(stderr).toMatch(/no space left while writing "\/big"/);
    expect(stderr).toMatch(/hint: .*--root/);
    expect(stderr).toMatch(/Dockerfile:2/);
    expect(code).toBe(1);
    await expectSound();
  });

  test("RUN that fills it", async () => {
    const { code, stderr } = await build("run", {
      Dockerfile: "FROM busybox\nRUN dd if=/dev/zero of=/big bs=65536 count=800\n",
    });
    expect(stderr).toMatch(/No space left on device/);
    expect(stderr).toMatch(/exit code: 1/);
    expect(stderr).toMatch(/hint: the disk of the state folder is full: .*prune/);
    expect(code).toBe(1);
    await expectSound();
  });

  test("ADD of an archive and a context on standard input that are too large", async () => {
    const folder = world.context("tar", {
      Dockerfile: "FROM busybox\nADD tree.tar /t/\n",
      "tree/f": Buffer.alloc(40 * MIB, "x"),
    });
    await runOk("tar", ["-C", join(folder, "tree"), "-cf", join(folder, "tree.tar"), "."]);
    const added = await world.tsbuild(["build", "--progress=plain", folder]);
    expect(added.stderr).toMatch(/no space left to unpack/);
    expect(added.code).toBe(1);
    const archive = world.path("piped.tar");
    await runOk("tar", ["-C", folder, "-cf", archive, "."]);
    const piped = await world.tsbuild(["build", "--progress=plain", "-"], { input: readFileSync(archive) });
    expect(piped.stderr).toMatch(/no space left/);
    expect(piped.code).toBe(1);
    await expectSound();
  });

  test("outputs for which there is no room leave nothing behind", async () => {
    for (const output of [
      `type=oci,compression=uncompressed,dest=${join(small, "x.tar")}`,
      `type=docker,compression=uncompressed,dest=${join(small, "x.tar")}`,
      `type=tar,dest=${join(small, "x.tar")}`,
    ]) {
      const { code, stderr } = await build("out", { Dockerfile: "FROM busybox\n" }, "-o", output);
      expect(stderr, output).toMatch(/no space left to write/);
      expect(stderr, output).toContain(small);
      expect(code, output).toBe(1);
      expect(readdirSync(small), output).toEqual([]);
    }
    // A layout may have been there before and is added to in place: what counts is that its index names nothing that is not there.
    const layout = join(small, "layout");
    const cut = await build(
      "out",
      { Dockerfile: "FROM busybox\n" },
      ...["-o", `type=oci,tar=false,compression=uncompressed,dest=${layout}`],
    );
    expect(cut.stderr).toMatch(/no space left to write/);
    expect(cut.code).toBe(1);
    expect(existsSync(join(layout, "index.json"))).toBe(false);
    rmSync(layout, { recursive: true });
    const { code, stderr } = await build("out", { Dockerfile: "FROM busybox\n" }, "-o", join(small, "local"));
    expect(stderr).toMatch(/no space left/);
    expect(code).toBe(1);
  });
});
