import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { nativeFs, PlainMembers } from "@tsbuild/native-fs";
import { GrowingFile, type TarMember, unpackLayer, writeTar } from "@tsbuild/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runUnpackJob } from "../src/workers/job.ts";
import { collect, file, node, noise, streamOf } from "./bytes.ts";
import { headerBlock, member, paxMember, RandomArchive, Randomness } from "./random-archive.ts";
import { missing, pack, shell, withRoot, workFolder } from "./system.ts";

if (missing !== undefined) console.log(`skipping the tests of plain members: ${missing}`);

let work: ReturnType<typeof workFolder>;
let target = "";
beforeEach(() => {
  work = workFolder();
  target = work.make("target");
});
afterEach(() => work.remove());

async function inFolder<T>(folder: string, run: (members: PlainMembers) => T | Promise<T>): Promise<T> {
  return withRoot(folder, async (root) => {
    const members = new PlainMembers(root);
    try {
      return await run(members);
    } finally {
      members.close();
    }
  });
}

/** What of an archive is made without anybody else: how many members, and up to where. */
function plain(...parts: readonly Buffer[]): Promise<{ consumed: number; made: number }> {
  return inFolder(target, (members) => members.run(Buffer.concat(parts)));
}

type Outcome = { readonly failure: unknown } | { readonly layer: unknown; readonly tar: Buffer };

/** A layer's blob, compressed, which grows by a piece whenever somebody waits for it. */
async function inGrowingFile<T>(
  chunks: readonly Buffer[],
  run: (file: GrowingFile) => Promise<T>,
): Promise<T> {
  const packed = Buffer.concat(chunks.map((chunk) => gzipSync(chunk)));
  const path = join(work.path, "blob");
  const fd = openSync(path, "w+");
  const growing = new GrowingFile(fd);
  let sizeBytes = 0;
  const timer = setInterval(() => {
    sizeBytes += writeSync(fd, packed.subarray(sizeBytes, sizeBytes + Math.ceil(packed.length / 5)));
    growing.grow(sizeBytes);
    if (sizeBytes === packed.length) growing.end();
    if (sizeBytes === packed.length) clearInterval(timer);
  });
  try {
    return await run(growing);
  } finally {
    clearInterval(timer);
    closeSync(fd);
    rmSync(path);
  }
}

/** What a layer's tar becomes, where other layers have all processors or not, as a stream or of a file that grows. */
async function outcome(
  chunks: readonly Buffer[],
  { isCrowded, isFile = false }: { readonly isCrowded: () => boolean; readonly isFile?: boolean },
): Promise<Outcome> {
  const folder = work.make("layer");
  const options = { fs: nativeFs, userxattr: false, isCrowded };
  const { signal } = new AbortController();
  try {
    const layer = isFile
      ? await inGrowingFile(chunks, (blob) =>
          runUnpackJob({ blob, folder, ...options }, { ...options, signal, onSkipped: () => undefined }),
        )
      : await withRoot(folder, (root) => unpackLayer(streamOf(...chunks), root, options));
    return { layer, tar: (await pack(folder)).tar };
  } catch (failure) {
    return { failure };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Both ways have the same result; whether they fail, for the same reason or (of several) for another. */
async function expectSame(chunks: readonly Buffer[], random: Randomness): Promise<boolean> {
  const alone = await outcome(chunks, { isCrowded: () => false });
  // It changes in the middle, too.
  const isCrowded = random.once(3) ? () => random.once(2) : () => true;
  const crowded = await outcome(chunks, { isCrowded, isFile: random.once(2) });
  if ("failure" in alone) {
    expect(crowded).toMatchObject({ failure: { code: expect.stringMatching(/^TSB_/) } });
    return false;
  }
  if ("failure" in crowded) throw crowded.failure;
  expect(crowded.layer).toEqual(alone.layer);
  expect(crowded.tar.equals(alone.tar)).toBe(true);
  return true;
}

const PATHS = [
  "a",
  "a/b",
  "a/b/c",
  "a/b/c/d",
  "b",
  "b/a",
  "link",
  "link/a",
  "deep/below/x",
  "a/caf\udce9",
  "./a/e",
  "/b/f",
];
const MARKS = [".wh.a", "a/.wh.b", "a/.wh..wh..opq", "b/.wh..wh..opq", "link/.wh.a", ".wh..wh..opq"];

function randomMember(random: Randomness): TarMember {
  const path = random.pick(PATHS);
  const more = {
    mode: random.below(0o10000),
    uid: random.once(2) ? 0 : random.below(3_000_000),
    gid: random.below(3),
    mtimeNs: BigInt(random.below(2 ** 31)) * 1_000_000_000n + (random.once(3) ? 250_000_000n : 0n),
  };
  const form = random.below(12);
  if (form < 3) return node(path, "folder", more);
  if (form === 3)
    return node(path, "symlink", { ...more, target: random.pick(["a", "b/a", "/a/b", "nowhere"]) });
  // (One to itself leaves a folder as it is, but forgets its time: nobody makes such.)
  const targets = PATHS.filter((other) => other !== path);
  if (form === 4) return node(path, "hardlink", { target: random.pick(targets) });
  if (form === 5) return file(random.pick(MARKS), "");
  if (form === 6) return node(path, "fifo", more);
  const xattrs = random.once(6) ? [{ name: "user.x", value: Buffer.from("y") }] : undefined;
  return file(path, noise(random.once(10) ? 600_000 : random.below(3000), random.below(99)), {
    ...more,
    xattrs,
  });
}

describe.skipIf(missing !== undefined)("plain members of a layer", () => {
  test("become what they become one by one, whatever comes between them", async () => {
    let whole = 0;
    for (let seed = 0; seed < 150; seed++) {
      const random = new Randomness(seed);
      const members = Array.from({ length: random.below(25) }, () => randomMember(random));
      const chunks = random.cut(await collect(writeTar(members)));
      const isWhole = await expectSame(chunks, random).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      });
      if (isWhole) whole += 1;
    }
    expect(whole).toBeGreaterThan(30);
  });

  test("mean what they mean to the reader of all forms, damaged or not", async () => {
    for (let seed = 0; seed < 400; seed++) {
      const random = new Randomness(seed);
      const chunks = random.cut(new RandomArchive(random).bytes());
      await expectSame(chunks, random).catch((error: Error) => {
        throw new Error(`seed ${seed}: ${error.message}`, { cause: error });
      });
    }
  });

  test("are files, folders and links, also behind an extended header that tells times and names", async () => {
    const name = `${"long".repeat(40)}/${"n".repeat(120)}`;
    const parts = [
      member("5", Buffer.alloc(0), "./folder/"),
      member("0", Buffer.from("text"), "./folder/file"),
      member("1", Buffer.alloc(0), "none"),
    ];
    expect(await plain(...parts)).toEqual({ consumed: 3 * 512 + 0, made: 2 });
    const more = [
      member("5", Buffer.alloc(0), "long".repeat(40).slice(0, 99)),
      paxMember("x", { mtime: "1234567890.5", path: "folder/timed", atime: "1", ctime: "2" }),
      member("0", Buffer.from("later"), "other"),
      paxMember("x", { path: name }),
      member("0", Buffer.from("in a folder that is not there")),
    ];
    expect(await plain(...more)).toMatchObject({ made: 2 });
    expect(shell(target, "find . -type f | sort; stat -c %.Y folder/timed; cat folder/timed")).toBe(
      "./folder/file\n./folder/timed\n1234567890.500000000\nlater",
    );
  });

  test("are not those that leave something to decide", async () => {
    const body = Buffer.from("x");
    const others: readonly (readonly Buffer[])[] = [
      [member("0", body, "../up")],
      [member("0", body, "a/../b")],
      [member("0", body, "/absolute")],
      [member("0", body, "a//b")],
      [member("0", body, "./")],
      [member("0", body, "file/")],
      [member("0", body, "not/there")],
      [member("0", body, ".wh.hidden")],
      [member("3", Buffer.alloc(0), "device")],
      [member("2", Buffer.alloc(0), "link-to-nothing")],
      [member("L", Buffer.from("long\0")), member("0", body)],
      [paxMember("g", { mtime: "1" }), member("0", body)],
      [paxMember("x", { "SCHILY.xattr.user.a": "b" }), member("0", body)],
      [paxMember("x", { size: "1" }), member("0", body)],
      [paxMember("x", { uid: "7" }), member("0", body)],
      [paxMember("x", { mtime: "-1" }), member("0", body)],
      [paxMember("x", { mtime: "1" }), paxMember("x", { mtime: "2" }), member("0", body)],
      [headerBlock("0", { magic: "\0\0\0\0\0\0\0\0" })],
      [Buffer.alloc(1024)],
    ];
    for (const parts of others) expect(await plain(...parts)).toEqual({ consumed: 0, made: 0 });
    expect(readdirSync(target)).toEqual([]);
  });

  test("are not put over what is there, nor through a link to a folder", async () => {
    shell(target, "mkdir folder; echo old > file; ln -s folder link; ln -s nowhere dangling");
    for (const name of ["file", "link", "dangling", "folder"]) {
      expect(await plain(member("0", Buffer.from("new"), name))).toEqual({ consumed: 0, made: 0 });
      expect(await plain(member("5", Buffer.alloc(0), name))).toEqual({ consumed: 0, made: 0 });
    }
    expect(await plain(member("0", Buffer.from("new"), "link/file"))).toEqual({ consumed: 0, made: 0 });
    expect(readFileSync(join(target, "file"), "utf8")).toBe("old\n");
    expect(existsSync(join(target, "folder/file"))).toBe(false);
  });

  test("are told, with the times of folders, once", async () => {
    await inFolder(target, (members) => {
      members.run(Buffer.concat([member("5", Buffer.alloc(0), "d"), member("0", Buffer.from("x"), "d/f")]));
      expect(members.takeFolders()).toEqual([{ path: "d", mtimeNs: 0n }]);
      expect(members.takeOthers()).toEqual(["d/f"]);
      expect([members.takeFolders(), members.takeOthers()]).toEqual([[], []]);
      expect(members.run(member("0", Buffer.from("x"), "d/\xe9"))).toMatchObject({ made: 1 });
      expect([members.takeFolders(), members.takeOthers()]).toEqual([[], ["d/\udce9"]]);
    });
  });

  test("may come byte by byte once they have begun", async () => {
    const bytes = member("0", noise(700), "f");
    await inFolder(target, (members) => {
      expect(members.run(bytes.subarray(0, 511))).toEqual({ consumed: 0, made: 0 });
      expect(members.run(bytes.subarray(0, 513))).toEqual({ consumed: 513, made: 1 });
      for (let at = 513; at < bytes.length; at++) {
        expect(members.isInside).toBe(true);
        expect(members.run(bytes.subarray(at, at + 1)).consumed).toBe(1);
      }
      expect(members.isInside).toBe(false);
    });
    expect(readFileSync(join(target, "f")).equals(noise(700))).toBe(true);
  });

  test("end in an error where the disk is full, and where the archive is cut", async () => {
    shell(target, "mkdir full; mount -t tmpfs -o size=64k none full");
    try {
      const large = member("0", noise(200_000), "large");
      await withRoot(join(target, "full"), async (root) => {
        const options = { fs: nativeFs, userxattr: false, isCrowded: () => true };
        await expect(unpackLayer(streamOf(large), root, options)).rejects.toMatchObject({
          code: "TSB_DISK_FULL",
          message: 'no space left to unpack "large"',
        });
      });
    } finally {
      shell(target, "umount full");
    }
    const cut = member("0", noise(3000), "cut").subarray(0, 2000);
    for (const isFile of [false, true])
      expect(await outcome([cut], { isCrowded: () => true, isFile })).toMatchObject({
        failure: { code: "TSB_INTEGRITY", message: expect.stringContaining("in the middle of a member") },
      });
  });
});
