import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { busyboxTar, missing, runOk, World } from "../e2e/world.ts";
import { listing } from "./listing.ts";

const reason = missing("busybox", "tar", "gzip", "bzip2", "xz", "zstd");
if (reason !== undefined) console.log(`skipped: imports of archives: ${reason}`);

describe.skipIf(reason !== undefined)("import", () => {
  const world = new World();
  let busybox: string;
  let folder: string;
  beforeAll(async () => {
    busybox = await busyboxTar(world);
    folder = await tree();
  });
  afterAll(() => world.close());

  test("takes what every compressor writes, and several members", async () => {
    const commands = {
      gzip: `gzip -c ${busybox}`,
      bzip2: `bzip2 -1 -c ${busybox}`,
      xz: `xz -1 -c ${busybox}`,
      zstd: `zstd -q -c ${busybox}`,
      pieces: `{ head -c 300000 ${busybox} | gzip; tail -c +300001 ${busybox} | gzip; }`,
    };
    for (const [name, command] of Object.entries(commands)) {
      const file = world.path(`${name}.archive`);
      await runOk("sh", ["-c", `${command} > ${file}`]);
      await world.ok(["import", file, name]);
      expect(await world.inside(name, "echo", "runs", name)).toBe(`runs ${name}\n`);
    }
  });

  /** What is not the same in every format: long names, links, a pipe, a file with holes. */
  async function tree(): Promise<string> {
    const long = `${"deep/".repeat(40)}${"n".repeat(150)}`;
    const folder = world.context("tree", { [long]: "long\n", plain: "p" });
    const commands = [
      "ln plain hard",
      "ln -s plain soft",
      "truncate -s 3M sparse",
      "echo end >> sparse",
      "mkfifo pipe",
    ];
    await runOk("sh", ["-c", commands.join(" && ")], { cwd: folder });
    return folder;
  }

  test("takes each format of GNU tar", async () => {
    for (const format of ["gnu", "pax", "oldgnu", "v7"] as const) {
      const tar = world.path(`${format}.tar`);
      // The oldest format has no place for long names.
      const without = format === "v7" ? ["--exclude=deep", "--exclude=pipe"] : [];
      const out = world.path(`out-${format}`);
      await runOk("tar", ["-C", folder, `--format=${format}`, ...without, "-cf", tar, "."]);
      await world.ok(["import", tar, `format-${format}`]);
      const dockerfile = world.context(`from-${format}`, { Dockerfile: `FROM format-${format}\n` });
      await world.build(dockerfile, "-o", `type=local,dest=${out}`);
      const wanted = await listing(folder, format === "pax" ? "nanoseconds" : "seconds");
      const left = wanted.filter((line) => without.length === 0 || !/^(deep|pipe)/.test(line));
      expect(await listing(out, format === "pax" ? "nanoseconds" : "seconds"), format).toEqual(left);
    }
  });

  test("refuses sparse members rather than to misread them", async () => {
    for (const format of ["gnu", "pax"]) {
      const tar = world.path(`sparse-${format}.tar`);
      await runOk("tar", ["-C", folder, "--sparse", `--format=${format}`, "-cf", tar, "sparse"]);
      const { code, stderr } = await world.tsbuild(["import", tar, "sparse"]);
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/sparse" is [\s\S]*hint: .*without --sparse/),
      ]);
    }
  });

  test("refuses nothing at all and archives that end too early", async () => {
    const empty = await world.tsbuild(["import", "-", "empty"]);
    expect([empty.code, empty.stderr]).toEqual([1, expect.stringMatching(/the archive is empty/)]);
    for (const cut of [
      `head -c 100000 ${busybox}`,
      `gzip -c ${busybox} | head -c 100000`,
      `xz -1 -c ${busybox} | head -c 100000`,
    ]) {
      const file = world.path("cut");
      await runOk("sh", ["-c", `${cut} > ${file}`]);
      const { code, stderr } = await world.tsbuild(["import", file, "cut"]);
      expect(code, cut).toBe(1);
      expect(stderr, cut).toMatch(/ERROR: .*(damaged|ends|truncated)/);
    }
    expect((await world.ok(["images"])).stdout).not.toMatch(/empty|cut/);
  });
});
