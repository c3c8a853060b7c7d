import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { nativeFs } from "@tsbuild/native-fs";
import { decompress, isArchive, type TarMember, unpackArchive, unpackLayer, writeTar } from "@tsbuild/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runUnpackJob } from "../src/workers/job.ts";
import { collect, file, inChunks, node, noise, streamOf } from "./bytes.ts";
import { missing, shell, withRoot, workFolder } from "./system.ts";

if (missing !== undefined) console.log(`skipping the tests of hostile archives: ${missing}`);

let work: ReturnType<typeof workFolder>;
let target = "";
let outside = "";
beforeEach(() => {
  work = workFolder();
  target = work.make("target");
  outside = work.make("outside");
  writeFileSync(join(outside, "precious"), "untouched");
});
afterEach(() => work.remove());

/** In a crowd, where other layers have all processors, the addon makes members by itself, of a gzip file where it inflates them. */
const HOWS = ["layer", "layer in a crowd", "archive"] as const;
type How = (typeof HOWS)[number];

async function unpackCrowded(tar: Buffer): Promise<void> {
  const blob = join(work.path, "blob");
  writeFileSync(blob, gzipSync(tar));
  try {
    const job = { blob, folder: target, userxattr: false };
    const { signal } = new AbortController();
    await runUnpackJob(job, { fs: nativeFs, signal, onSkipped: () => undefined, isCrowded: () => true });
  } finally {
    rmSync(blob);
  }
}

async function unpackAs(how: How, ...members: readonly TarMember[]): Promise<void> {
  const tar = await collect(writeTar(members));
  await withRoot(target, async (root) => {
    if (how === "layer in a crowd") await unpackCrowded(tar);
    else if (how === "layer") await unpackLayer(streamOf(tar), root, { fs: nativeFs, userxattr: false });
    else await unpackArchive(streamOf(tar), root, { fs: nativeFs });
  });
}

function expectUntouched(): void {
  expect(readdirSync(work.path).sort()).toEqual(["outside", "target"]);
  expect(readdirSync(outside)).toEqual(["precious"]);
  expect(readFileSync(join(outside, "precious"), "utf8")).toBe("untouched");
  expect(lstatSync(join(outside, "precious")).mode & 0o7777).toBe(0o644);
}

describe.skipIf(missing !== undefined).each(HOWS)("a hostile %s", (how) => {
  test("cannot name files above the root", async () => {
    await unpackAs(
      how,
      file("../escape", "x"),
      file("/abs/olute", "x"),
      file("a/../../../b", "x"),
      file("./c/./d", "x"),
    );
    expectUntouched();
    expect(shell(target, "find . -type f | sort")).toBe("./abs/olute\n./b\n./c/d\n./escape\n");
  });

  test.each([
    ["absolute", () => outside],
    ["relative", () => "../outside"],
    ["deep", () => "x/../../../../../../../../../../outside"],
  ])("cannot write through an %s symbolic link", async (_, linkTarget) => {
    const members = [
      node("link", "symlink", { target: linkTarget() }),
      file("link/planted", "x"),
      node("link/sub", "folder"),
    ];
    await unpackAs(how, ...members).catch((error: unknown) =>
      expect(error).toMatchObject({ code: "TSB_INTEGRITY" }),
    );
    expectUntouched();
  });

  test("cannot write through a link to a link, nor over a linked file", async () => {
    await unpackAs(
      how,
      node("a", "symlink", { target: ".." }),
      node("b", "symlink", { target: "a/outside" }),
      node("precious", "symlink", { target: join(outside, "precious") }),
      file("precious", "replaced"),
      file("b/precious", "replaced"),
    ).catch((error: unknown) => expect(error).toMatchObject({ code: "TSB_INTEGRITY" }));
    expectUntouched();
    expect(lstatSync(join(target, "precious")).isSymbolicLink()).toBe(false);
  });

  test("cannot write large files through links either", async () => {
    const link = node("link", "symlink", { target: "../outside" });
    const large = noise(900_000);
    const xattrs = [{ name: "user.x", value: Buffer.from("y") }];
    await unpackAs(how, link, file("link/large", large), file("link/marked", large, { xattrs })).catch(
      (error: unknown) => expect(error).toMatchObject({ code: "TSB_INTEGRITY" }),
    );
    expectUntouched();
  });

  test.each(["../outside/precious", "/../../outside/precious", "link/precious"])(
    "cannot take a hard link of %s",
    async (to) => {
      const members = [
        node("link", "symlink", { target: outside }),
        node("taken", "hardlink", { target: to }),
      ];
      await expect(unpackAs(how, ...members)).rejects.toMatchObject({
        code: "TSB_INTEGRITY",
        message: expect.stringContaining("does not come before it"),
      });
      expectUntouched();
    },
  );

  test("may replace folders as often as it likes, with members in folders that it does not name", async () => {
    const members = Array.from({ length: 1500 }, (_, n) => [
      file(`d/${n % 7}/inner/f`, "x"),
      node("d", "symlink", { target: "nowhere" }),
      node("d", "folder"),
    ]).flat();
    await unpackAs(how, ...members, file("d/8/inner/f", "last"));
    expect(readdirSync(join(target, "d"))).toEqual(["8"]);
    expect(readFileSync(join(target, "d/8/inner/f"), "utf8")).toBe("last");
  });

  test("makes nobody wait by replacing folders beside many others", async () => {
    // Nothing is written: what is measured is the book-keeping.
    const fs = { ...nativeFs, apply: async () => ({}) as never };
    const timed = async (count: number): Promise<number> => {
      const members = [
        ...Array.from({ length: count }, (_, n) => node(`keep${n}`, "folder")),
        ...Array.from({ length: count }, (_, n) => [node(`d${n}`, "folder"), file(`d${n}`, "")]).flat(),
      ];
      const tar = await collect(writeTar(members));
      const start = performance.now();
      await withRoot(target, async (root) => {
        if (how !== "archive") await unpackLayer(streamOf(tar), root, { fs, userxattr: false });
        else await unpackArchive(streamOf(tar), root, { fs });
      });
      return performance.now() - start;
    };
    // A walk of all names for each folder would take 64 times as long for eight times as many.
    const [few, many] = [await timed(2500), await timed(20_000)];
    expect(many, `${few} ms`).toBeLessThan(24 * few + 2000);
  });

  test("cannot change files through a hard link to a symbolic link", async () => {
    await unpackAs(
      how,
      node("link", "symlink", { target: join(outside, "precious") }),
      node("hard", "hardlink", { target: "link", mode: 0o777, uid: 12, gid: 12 }),
      file("hard", "replaced"),
    );
    expectUntouched();
    expect(readFileSync(join(target, "hard"), "utf8")).toBe("replaced");
  });

  test("cannot change the times or mode of a linked folder", async () => {
    const before = lstatSync(outside).mtimeMs;
    await unpackAs(
      how,
      node("d", "symlink", { target: outside }),
      node("d", "folder", { mode: 0o777, mtimeNs: 5n }),
    );
    expect(lstatSync(outside).mtimeMs).toBe(before);
    expect(lstatSync(join(target, "d")).isDirectory()).toBe(true);
  });

  test("cannot be a bomb of names: a chain of a thousand folders is just deep", async () => {
    const path = Array.from({ length: 1000 }, () => "d").join("/");
    await unpackAs(how, file(`${path}/f`, "x"));
    expect(shell(target, "find . -type f | tr -cd / | wc -c")).toBe("1001\n");
  });

  test("with names too long for the file system is refused, not half unpacked in silence", async () => {
    await expect(unpackAs(how, file("n".repeat(256), "x"))).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
  });

  test("whose root is a file is refused", async () => {
    await expect(unpackAs(how, file("./", "x"))).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
    await expect(unpackAs(how, node("..", "symlink", { target: "/" }))).rejects.toMatchObject({
      code: "TSB_INTEGRITY",
    });
    expectUntouched();
  });
});

describe.skipIf(missing !== undefined)("a hostile layer", () => {
  test.each([".wh.", ".wh..", ".wh...", "d/.wh..."])("with the whiteout %j is refused", async (path) => {
    await expect(unpackAs("layer", file(path, ""))).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
    expect(existsSync(target)).toBe(true);
    expectUntouched();
  });

  test("cannot hide or remove anything outside", async () => {
    await unpackAs(
      "layer",
      node("l", "symlink", { target: outside }),
      file("l/.wh.precious", ""),
      file("../outside/.wh.precious", ""),
      file("l/.wh..wh..opq", ""),
    ).catch((error: unknown) => expect(error).toMatchObject({ code: "TSB_INTEGRITY" }));
    expectUntouched();
    expect(shell(outside, "getfattr -d -m - . precious")).toBe("");
  });

  test("that is cut leaves an error, whatever was unpacked", async () => {
    const tar = await collect(writeTar([file("a", noise(100_000)), file("b", noise(100_000))]));
    const cut = gzipSync(tar.subarray(0, 150_000));
    const unpacking = withRoot(target, (root) =>
      unpackLayer(decompress(streamOf(cut)), root, { fs: nativeFs, userxattr: false }),
    );
    await expect(unpacking).rejects.toMatchObject({ code: "TSB_INTEGRITY" });
  });
});

describe.skipIf(missing !== undefined)("an honest archive", () => {
  test("from a source that breaks fails with the source's own error", async () => {
    const tar = await collect(writeTar([file("a", noise(900_000))]));
    const source = (async function* () {
      yield tar.subarray(0, 600_000);
      throw Object.assign(new Error("connection reset"), { code: "ECONNRESET" });
    })();
    const unpacking = withRoot(target, (root) => unpackArchive(source, root, { fs: nativeFs }));
    await expect(unpacking).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("on a full disk fails with that", async () => {
    const mount = work.make("full");
    shell(work.path, "mount -t tmpfs -o size=256k none full");
    try {
      for (const members of [
        [file("large", noise(900_000))],
        [file("a", noise(200_000)), file("b", noise(200_000))],
      ]) {
        const tar = await collect(writeTar(members));
        const unpacking = withRoot(mount, (root) => unpackArchive(streamOf(tar), root, { fs: nativeFs }));
        await expect(unpacking).rejects.toMatchObject({ code: "TSB_DISK_FULL" });
      }
    } finally {
      shell(work.path, "umount full");
    }
  });
});

describe.skipIf(missing !== undefined)("unpackArchive", () => {
  async function unpackWith(
    options: Partial<Parameters<typeof unpackArchive>[2]>,
    ...members: readonly TarMember[]
  ) {
    const tar = await collect(writeTar(members));
    return withRoot(target, (root) => unpackArchive(inChunks(tar, 1000), root, { fs: nativeFs, ...options }));
  }

  test("leaves the folder's own metadata alone, whatever the archive's root entry says", async () => {
    shell(target, "chmod 750 .; chown 7:8 .");
    await unpackWith({}, node("./", "folder", { mode: 0o777, uid: 1, gid: 1 }), file("./a", "x"));
    expect(shell(target, "stat -c '%a %u:%g' . a")).toBe("750 7:8\n644 0:0\n");
  });

  test("sets another owner on everything it makes, folders without an entry included", async () => {
    await unpackWith(
      { owner: { uid: 123, gid: 45 } },
      file("implied/a", "x", { uid: 9 }),
      node("d", "folder"),
      node("l", "symlink", { target: "a" }),
    );
    expect(shell(target, "find . -mindepth 1 -printf '%P %U:%G\\n' | sort")).toBe(
      "d 123:45\nimplied 123:45\nimplied/a 123:45\nl 123:45\n",
    );
  });

  test("merges folders, replaces files, follows links that are there, and keeps what it does not name", async () => {
    shell(
      target,
      "mkdir -p usr/lib old; ln -s usr/lib lib; echo old > old/file; echo kept > old/kept; chmod 700 old",
    );
    await unpackWith(
      {},
      file("lib/new", "n"),
      node("old", "folder"),
      file("old/file", "new"),
      file("a/.wh.name", "x"),
    );
    expect(shell(target, "cat usr/lib/new old/file old/kept a/.wh.name; readlink lib; stat -c %a old")).toBe(
      "nnewkept\nxusr/lib\n755\n",
    );
  });

  test("lets the caller change members and leave them out", async () => {
    const made = await unpackWith(
      {
        map: (entry) =>
          entry.path.endsWith("skip") ? undefined : { ...entry, mode: 0o600, mtimeNs: 5_000_000_000n },
      },
      file("./keep", "x"),
      file("skip", noise(100_000)),
      file("after", "y"),
    );
    expect(made).toBe(2);
    expect(shell(target, "stat -c '%n %a %Y' *")).toBe("after 600 5\nkeep 600 5\n");
  });
});

describe("isArchive", () => {
  test("knows a tar in xz that comes whole, so that its decoder has ended before it is asked to stop", async () => {
    const xz =
      "/Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Cf/AFtdADMAM1AYaImDAdzibiEFSnA3yYxx0vAMW/m/dcUw4TucolrZ/EhR2ZEmCpxX1cmxKf3BpPnlLCoi9taUkrOD/uTdVSB1g/d2d3JFwPBSx61UGj3hvTzxsYcHVAAAALGTYhsBgEdtAAF3gFAAAACUVpmvscRn+wIAAAAABFla";
    expect(await isArchive(streamOf(Buffer.from(xz, "base64")))).toBe(true);
  });

  test("goes by content, through any compression", async () => {
    const tar = await collect(writeTar([file("a", "x")]));
    for (const bytes of [tar, gzipSync(tar)]) expect(await isArchive(streamOf(bytes))).toBe(true);
  });

  test.each([
    ["nothing", Buffer.alloc(0)],
    ["zeros", Buffer.alloc(4096)],
    ["text", Buffer.from("#!/bin/sh\n".repeat(200))],
    ["compressed text", gzipSync(Buffer.from("hello ".repeat(200)))],
    ["damaged gzip", Buffer.concat([Buffer.of(0x1f, 0x8b, 8), Buffer.alloc(2000, 0xee)])],
  ])("%s is none", async (_, bytes) => {
    expect(await isArchive(streamOf(bytes))).toBe(false);
  });
});
