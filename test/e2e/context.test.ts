import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missing, World } from "./world.ts";

const reason = missing("tar", "gzip", "bzip2", "xz", "zstd");
if (reason !== undefined) console.log(`skipped: end-to-end contexts: ${reason}`);

describe.skipIf(reason !== undefined)("where a context and a Dockerfile come from", () => {
  const world = new World();
  let number = 0;
  beforeAll(() => mkdirSync(world.root, { recursive: true }));
  afterAll(() => world.close());

  /** Builds into a folder and lists it. */
  async function files(
    flags: readonly string[],
    options: { readonly input?: Uint8Array | string; readonly cwd?: string } = {},
  ): Promise<string[]> {
    const dest = world.path(`out${number++}`);
    await world.ok(["build", "--progress=plain", "-o", dest, ...flags], options);
    return readdirSync(dest, { recursive: true, encoding: "utf8" }).sort();
  }

  test.each([
    ["tar", "cat"],
    ["gzip", "gzip"],
    ["bzip2", "bzip2"],
    ["xz", "xz"],
    ["zstd", "zstd"],
  ])("an archive on standard input: %s (C001)", async (_name, compressor) => {
    const folder = world.context("piped", {
      Dockerfile: "FROM scratch\nCOPY . /all/\n",
      ".dockerignore": "*.log\n",
      "a/b": "b",
      "x.log": "x",
      // Too large for anything to fit into the first bytes of the stream.
      large: Buffer.alloc(3_000_000, "0123456789abcdef"),
    });
    const input = execFileSync(
      "sh",
      ["-c", `tar -C ${folder} -cf - . | ${compressor} -c`.replace("cat -c", "cat")],
      {
        maxBuffer: 1 << 28,
      },
    );
    expect(await files(["-"], { input })).toEqual(
      ["all", "all/.dockerignore", "all/Dockerfile", "all/a", "all/a/b", "all/large"].sort(),
    );
  });

  test("of many files only what changed is copied again", async () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`d${i % 9}/f${i}`, `file ${i}`]));
    const folder = world.context("many", { Dockerfile: "FROM scratch\nCOPY . /all/\n", ...many });
    const build = async (): Promise<(path: string) => string> => {
      const dest = world.path(`out${number++}`);
      await world.ok(["build", "--progress=plain", "-o", dest, folder]);
      return (path) => readFileSync(join(dest, "all", path), "utf8");
    };
    await build();
    writeFileSync(join(folder, "d1/f1"), "FILE 1");
    writeFileSync(join(folder, "d1/new"), "new");
    rmSync(join(folder, "d2/f2"));
    const read = await build();
    expect([read("d1/f1"), read("d1/new"), read("d3/f3")]).toEqual(["FILE 1", "new", "file 3"]);
    expect(() => read("d2/f2")).toThrow(/ENOENT/);
    const layers = join(world.root, "v1/snapshots");
    const files = readdirSync(layers, { recursive: true, encoding: "utf8" }).map((path) =>
      join(layers, path),
    );
    const names = (end: string): number[] =>
      files.filter((path) => path.endsWith(end)).map((path) => statSync(path).nlink);
    // In the first layer and in the second one, which was put together to be packed; what has changed is in a layer of its own besides.
    expect(names("/all/d3/f3")).toEqual([2, 2]);
    expect(names("/all/d1/f1").sort()).toEqual([1, 2, 2]);
  });

  test("an empty archive on standard input has no Dockerfile", async () => {
    const input = execFileSync("tar", ["-cf", "-", "-T", "/dev/null"]);
    const { code, stderr } = await world.tsbuild(["build", "-"], { input });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/has no Dockerfile/)]);
    expect(stderr.length).toBeLessThan(500);
  });

  test("an archive on standard input with another Dockerfile (-f)", async () => {
    const folder = world.context("piped2", { "build/Other": "FROM scratch\nCOPY a /\n", a: "a" });
    const input = execFileSync("tar", ["-C", folder, "-cf", "-", "build", "a"]);
    expect(await files(["-f", "build/Other", "-"], { input })).toEqual(["a"]);
  });

  test("a damaged archive on standard input is told as such, not read as a Dockerfile", async () => {
    const folder = world.context("damaged", { Dockerfile: "FROM scratch\n" });
    const whole = gzipSync(execFileSync("tar", ["-C", folder, "-cf", "-", "."]));
    for (const input of [whole.subarray(0, whole.length >> 1), gzipSync("FROM scratch\n")]) {
      const { code, stderr } = await world.tsbuild(["build", "-"], { input });
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/standard input cannot be unpacked: .*damaged/),
      ]);
      expect(stderr).toContain("hint: pipe a tar archive");
    }
  });

  test("a Dockerfile on standard input, without and with a context", async () => {
    expect(await files(["-"], { input: "FROM scratch\nCOPY <<E /x\nhi\nE\n" })).toEqual(["x"]);
    const folder = world.context("beside", { a: "a", "b.log": "b", ".dockerignore": "*.log" });
    const input = "FROM scratch\nCOPY . /\n";
    expect(await files(["-f", "-", folder], { input })).toEqual([".dockerignore", "a"]);
  });

  test("<Dockerfile>.dockerignore wins over .dockerignore (D131)", async () => {
    const folder = world.context("ignores", {
      Dockerfile: "FROM scratch\nCOPY . /\n",
      "Other.dockerignore": "a\n*ockerfile\nOther*\n.dockerignore\n",
      Other: "FROM scratch\nCOPY . /\n",
      ".dockerignore": "b\n*ockerfile\nOther*\n.dockerignore\n",
      a: "a",
      b: "b",
    });
    expect(await files([folder])).toEqual(["a"]);
    expect(await files(["-f", join(folder, "Other"), folder])).toEqual(["b"]);
    expect(await files(["-f", "Other", "."], { cwd: folder })).toEqual(["b"]);
  });

  test("ignored folders, exceptions, and what comes and goes in them (D132 to D134)", async () => {
    const folder = world.context("pruned", {
      Dockerfile: "FROM scratch\nCOPY . /\nCOPY packages /packages2/\n",
      ".dockerignore":
        "Dockerfile\n.dockerignore\n.git\n**/node_modules\nbuild\n!build/keep\n/vendor/\n!**/kept.js\n",
      ".git/HEAD": "x",
      "node_modules/x/index.js": "x",
      "packages/p/node_modules/y/index.js": "y",
      "packages/p/node_modules/kept.js": "kept",
      "packages/p/src.js": "s",
      "build/drop": "d",
      "build/keep": "k",
      "vendor/v": "v",
    });
    symlinkSync("../p", join(folder, "packages/link"));
    const expected = [
      "build",
      "build/keep",
      "packages",
      "packages/link",
      "packages/p",
      "packages/p/node_modules",
      "packages/p/node_modules/kept.js",
      "packages/p/src.js",
      "packages2",
      "packages2/link",
      "packages2/p",
      "packages2/p/node_modules",
      "packages2/p/node_modules/kept.js",
      "packages2/p/src.js",
    ];
    expect(await files([folder])).toEqual(expected);
    writeFileSync(join(folder, ".git/HEAD"), "changed");
    writeFileSync(join(folder, "packages/p/node_modules/new.js"), "new");
    const log = await world.build(folder, "-o", world.path("cached"));
    expect(log.match(/COPY[^\n]*\n#\d+ CACHED/g)?.length).toBe(2);
    // Without the exception for everything, whole folders are left out at once.
    const patterns = "Dockerfile\n.dockerignore\n.git\n**/node_modules\nbuild\n!build/keep\nvendor\n";
    writeFileSync(join(folder, ".dockerignore"), patterns);
    const without = expected.filter((path) => !path.includes("node_modules"));
    expect(await files([folder])).toEqual(without);
    // The same folder under other patterns: what was skipped before has to be found now.
    writeFileSync(join(folder, ".dockerignore"), "Dockerfile\n.dockerignore\n.git\nbuild\n");
    expect(await files([folder])).toContain("packages/p/node_modules/y/index.js");
  });
});
