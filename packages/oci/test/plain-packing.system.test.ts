import { linkSync, lutimesSync, mkdirSync, readSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeFs, PlainPacking } from "@tsbuild/native-fs";
import { type PackOptions, packLayer, packLayerPieces, packTree } from "@tsbuild/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collect, noise } from "./bytes.ts";
import { Randomness } from "./random-archive.ts";
import { missing, shell, withRoot, workFolder } from "./system.ts";

if (missing !== undefined) console.log(`skipping the tests of plain packing: ${missing}`);

let work: ReturnType<typeof workFolder>;
beforeEach(() => {
  work = workFolder();
});
afterEach(() => work.remove());

const LONG = "a-name-of-so-many-letters-that-three-of-them-are-more-than-a-header-has-room-for";
const NAMES = ["a", "b c", "~", "x.wh.", "caf\u00e9", "\u{1f600}", "line\nbreak", LONG, LONG.repeat(3), "-"];
const TIMES = [0, 1, 1234567890, 1234567890.5, 1234567890.123456, -1.5, -7, 2147483647, 2147483648, 5e9];
const SIZES = [0, 1, 511, 512, 513, 9000, 65_536, 65_537, 262_144, 700_000];

/** Makes an entry of some kind in a folder; returns its path when it is a folder. */
function makeOne(path: string, earlier: readonly string[], random: Randomness): string | undefined {
  const kind = random.below(10);
  if (kind < 3) mkdirSync(path);
  else if (kind === 3) symlinkSync(random.pick(NAMES).repeat(random.below(3) + 1), path);
  else if (kind === 4 && earlier.length > 0) linkSync(random.pick(earlier), path);
  else writeFileSync(path, noise(random.pick(SIZES)));
  const time = random.pick(TIMES);
  lutimesSync(path, time, time);
  return kind < 3 ? path : undefined;
}

/** Trees that packers of layers and of trees see alike: nothing of theirs means removal. */
function makeTree(root: string, random: Randomness): void {
  const folders = [root];
  const files: string[] = [];
  for (let count = 0; count < 40; count++) {
    const path = join(random.pick(folders), `${random.pick(NAMES)}${count}`);
    const folder = makeOne(path, files, random);
    if (folder !== undefined) folders.push(folder);
    else files.push(path);
  }
  const odd = "chown 70000:4 .; mkfifo pipe; setfattr -n user.x -v y tagged; setcap cap_net_raw+ep capable";
  shell(
    root,
    `echo > tagged; echo > capable; echo x > owned; chown 300000:4 owned; chmod 6755 owned; ${odd}`,
  );
}

/** With what is told as ranges read. */
async function packedPieces(root: number, options: PackOptions): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const piece of packLayerPieces(root, { ...options, ranges: true })) {
    const part = Buffer.alloc(piece.length);
    if (piece instanceof Uint8Array) part.set(piece);
    else expect(readSync(piece.fd, part, 0, piece.length, piece.offset)).toBe(piece.length);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

describe.skipIf(missing !== undefined)("members that the addon packs", () => {
  test("have the bytes that they have when they are packed one by one", async () => {
    for (let seed = 0; seed < 12; seed++) {
      const random = new Randomness(seed);
      const folder = work.make(`tree${seed}`);
      makeTree(folder, random);
      const maxMtimeNs = random.once(2) ? 1_234_567_890_250_000_000n : undefined;
      const options = { fs: nativeFs, maxMtimeNs, reuse: random.once(2) };
      await withRoot(folder, async (root) => {
        const oneByOne = await collect(packTree(root, options));
        expect((await collect(packLayer(root, options))).equals(oneByOne), `tree ${seed}`).toBe(true);
        expect((await packedPieces(root, options)).equals(oneByOne), `pieces of tree ${seed}`).toBe(true);
      });
    }
  });

  test("are nearly all: others are told of together", async () => {
    const folder = work.make("tree");
    shell(
      folder,
      "mkdir d; echo 1 > d/1; echo 2 > d/2; ln d/2 d/3; mkfifo d/4; mkdir d/.wh.x; echo 5 > d/.wh.x/5; ln -s d l",
    );
    await withRoot(folder, async (root) => {
      const walked = await nativeFs.walk(root, "", { xattrs: true });
      const packing = new PlainPacking(root, walked);
      const steps = [packing.run(Buffer.alloc(16_384)), packing.run(Buffer.alloc(16_384))];
      packing.close();
      // In the order of the walk: d, .wh.x and what is in it, 1, the two names of 2, the pipe, l.
      expect(steps.map(({ first, end }) => [first, end])).toEqual([
        [2, 4],
        [5, 8],
      ]);
      expect(() => packing.run(Buffer.alloc(16_384))).toThrow("closed");
    });
  });

  test("need room, and the walk that they began with", async () => {
    const folder = work.make("tree");
    await withRoot(folder, async (root) => {
      const walked = await nativeFs.walk(root, "", { xattrs: true });
      expect(() => new PlainPacking(root, walked.subarray(0, 40))).toThrow("EINVAL");
      const packing = new PlainPacking(root, walked);
      expect(() => packing.run(Buffer.alloc(100))).toThrow("EINVAL");
      (walked.buffer as ArrayBuffer).transfer(0);
      expect(() => packing.run(Buffer.alloc(16_384))).toThrow("EINVAL");
      packing.close();
    });
  });
});
