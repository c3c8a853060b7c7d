/**
 * Calls of the addon in Node, both with sanitizers: what it compresses, inflates and hashes with Node's libraries, with random and damaged data, in
 * memory that ends where it must not go on. Says "clean" at its end; a sanitizer ends the process before that.
 */
import { strictEqual, throws } from "node:assert/strict";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { constants, gzipSync, inflateRawSync, zstdDecompressSync } from "node:zlib";
import { addonPath, BlockCompressor, Inflater, inflateLibrary, StreamHash } from "@tsbuild/native-fs";

const ROUNDS = 100;
/** Calls without arguments: there are none that could be wrong. */
const WITHOUT_ARGUMENTS = ["hashNew", "inflateBestIsIsal", "mountMemory"];

let state = BigInt(process.argv[2] ?? "1");

/** 0 to `below` - 1; the same for the same seed. */
function random(below: number): number {
  state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
  return Number(state >> 33n) % below;
}

/** Memory of its own, which the sanitizer watches the end of. */
function exact(size: number): Buffer {
  return Buffer.allocUnsafeSlow(size);
}

function randomBytes(): Buffer {
  const bytes = exact(random(60_000));
  const kinds = 1 + random(255);
  for (let at = 0; at < bytes.length; at++)
    bytes[at] = at > 300 && random(4) > 0 ? bytes[at - 1 - random(300)]! : random(kinds);
  return bytes;
}

function damage(bytes: Buffer): Buffer {
  const damaged = exact(bytes.length - (random(3) === 0 ? random(bytes.length) : 0));
  bytes.copy(damaged);
  for (let count = random(5); count > 0 && damaged.length > 0; count--)
    damaged[random(damaged.length)] = random(256);
  return damaged;
}

/** Goes on until the end, the first complaint or a step that does nothing. */
function inflateAll(inflater: Inflater, packed: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const input = exact(Math.min(1 + random(9000), packed.length - at));
    packed.copy(input, 0, at);
    const output = exact(1 + random(9000));
    const { consumed, produced, ended } = inflater.run(input, output);
    at += consumed;
    parts.push(output.subarray(0, produced));
    if (ended || consumed + produced === 0) return Buffer.concat(parts);
  }
}

function inflateRandom(): void {
  const bytes = randomBytes();
  const packed = gzipSync(bytes, { level: random(10) });
  for (const library of new Set(["zlib" as const, inflateLibrary()])) {
    strictEqual(inflateAll(new Inflater({ library }), packed).compare(bytes), 0);
    const inflater = new Inflater({ library, checked: random(2) === 0 });
    try {
      inflateAll(inflater, damage(packed));
    } catch (error) {
      strictEqual((error as NodeJS.ErrnoException).code, "EILSEQ");
      throws(() => inflater.run(packed, exact(10)), { code: "EILSEQ" });
    }
  }
}

async function compressRandom(): Promise<void> {
  const bytes = randomBytes();
  const deflated = await new BlockCompressor(
    { algorithm: "deflate", level: random(10) },
    bytes.length,
  ).compress(bytes);
  const whole = inflateRawSync(deflated, { finishFlush: constants.Z_SYNC_FLUSH });
  strictEqual(whole.compare(bytes), 0);
  const zstd = await new BlockCompressor({ algorithm: "zstd", level: 1 + random(4) }, bytes.length).compress(
    bytes,
  );
  strictEqual(zstdDecompressSync(zstd).compare(bytes), 0);
}

function hashRandom(): void {
  const bytes = randomBytes();
  const hash = new StreamHash();
  for (let at = 0; at < bytes.length; ) {
    const piece = exact(Math.min(1 + random(3000), bytes.length - at));
    bytes.copy(piece, 0, at);
    hash.update(piece);
    at += piece.length;
  }
  strictEqual(hash.digest(), createHash("sha256").update(bytes).digest("hex"));
}

/** Each call with nothing, and with the wrong things. */
function callWrongly(): void {
  const calls = createRequire(import.meta.url)(addonPath()) as Record<
    string,
    (...args: unknown[]) => unknown
  >;
  const names = Object.keys(calls).filter((name) => !WITHOUT_ARGUMENTS.includes(name));
  strictEqual(names.length > 40, true);
  for (const name of names)
    for (const wrong of [undefined, null, {}, Symbol("x")])
      throws(() => calls[name]!(...Array(13).fill(wrong)), TypeError, name);
}

callWrongly();
for (let round = 0; round < ROUNDS; round++) {
  inflateRandom();
  await compressRandom();
  hashRandom();
}
console.log("clean");
