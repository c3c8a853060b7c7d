import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { GunzipFile, nativeFs, PlainMembers } from "@tsbuild/native-fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "./fixture.ts";

const text = Buffer.from("what is in a layer, again and again; ".repeat(20_000));

function opened(bytes: Buffer, options: { readonly maxBytes?: number } = {}): GunzipFile {
  const path = join(temporaryFolder(), "blob");
  writeFileSync(path, bytes);
  const fd = openSync(path, "r");
  const gunzip = new GunzipFile(fd, options);
  onTestFinished(() => {
    gunzip.close();
    closeSync(fd);
  });
  return gunzip;
}

/** What comes out of a file of so many bytes that grows by `growth`. */
function inflated(gunzip: GunzipFile, sizeBytes: number, growth: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const step = gunzip.step({ sizeBytes: at, ended: at === sizeBytes }, undefined);
    if (step.state === "ended") return Buffer.concat(parts);
    if (step.state === "bytes") parts.push(Buffer.from(step.bytes));
    if (step.state === "waiting") {
      expect(at).toBeLessThan(sizeBytes);
      at = Math.min(at + growth, sizeBytes);
    }
  }
}

describe("a gzip file", () => {
  test.each([1, 1000, 1_000_000])("that grows by %i bytes gives what is in its members", (growth) => {
    const parts = [text, Buffer.alloc(0), Buffer.from("a"), Buffer.alloc(1_000_000)];
    const content = Buffer.concat(parts);
    const padded = Buffer.concat([...parts.map((part) => gzipSync(part)), Buffer.alloc(1000)]);
    const gunzip = opened(padded);
    expect(inflated(gunzip, padded.length, growth).equals(content)).toBe(true);
    expect(gunzip.sizeBytes).toBe(content.length);
    expect(gunzip.digest()).toBe(createHash("sha256").update(content).digest("hex"));
  });

  test.each([
    ["is cut", (packed: Buffer) => packed.subarray(0, -1), "it ends too early"],
    ["is none", () => Buffer.from("no gzip at all"), "incorrect header check"],
    ["is followed by something", (packed: Buffer) => Buffer.concat([packed, Buffer.from("x")]), "follows it"],
  ])("that %s is refused", (_, damage, words) => {
    const packed = damage(gzipSync(text));
    expect(() => inflated(opened(packed), packed.length, 1000)).toThrow(
      expect.objectContaining({ code: "EILSEQ", message: expect.stringContaining(words) }),
    );
  });

  test("that is shorter than was told is refused", () => {
    const packed = gzipSync(text);
    expect(() => inflated(opened(packed), packed.length + 5, 1000)).toThrow(/it ends too early|shorter/);
  });

  test("gives no more than is allowed", () => {
    const packed = gzipSync(text);
    expect(inflated(opened(packed, { maxBytes: text.length }), packed.length, 1000)).toHaveLength(
      text.length,
    );
    expect(() => inflated(opened(packed, { maxBytes: text.length - 1 }), packed.length, 1000)).toThrow(
      expect.objectContaining({ code: "EFBIG" }),
    );
  });
});

/** A header of ustar, as far as it matters here. */
function header(name: string, sizeBytes: number, type: string): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  const { uid, gid } = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  for (const [at, value] of [
    [100, 0o755],
    [108, uid],
    [116, gid],
  ] as const)
    block.write(value.toString(8).padStart(7, "0"), at);
  for (const [at, value] of [
    [124, sizeBytes],
    [136, 17],
  ] as const)
    block.write(value.toString(8).padStart(11, "0"), at);
  block.write(type, 156);
  block.write("ustar\0" + "00", 257);
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0`, 148);
  return block;
}

test("plain members are made where the bytes are, across pieces of any size; what begins another is given", () => {
  const contents = Array.from({ length: 3000 }, (_, index) => Buffer.from(`${index} `.repeat(index % 700)));
  const members = contents.map((content, index) =>
    Buffer.concat([
      header(`d/f${index}`, content.length, "0"),
      content,
      Buffer.alloc((512 - (content.length % 512)) % 512),
    ]),
  );
  const other = Buffer.concat([header("fifo", 0, "6"), Buffer.alloc(1024)]);
  const packed = gzipSync(Buffer.concat([header("d/", 0, "5"), ...members, other]));
  const folder = temporaryFolder();
  mkdirSync(join(folder, "root"));
  const root = nativeFs.openFolder(join(folder, "root"));
  const plain = new PlainMembers(root);
  onTestFinished(() => {
    plain.close();
    nativeFs.close(root);
  });
  const gunzip = opened(packed);
  let made = 0;
  for (let at = 0; ; ) {
    const step = gunzip.step({ sizeBytes: at, ended: at === packed.length }, plain);
    made += step.made;
    if (step.state === "bytes") {
      expect(step.bytes.equals(other)).toBe(true);
      break;
    }
    expect(step.state).not.toBe("ended");
    if (step.state === "waiting") at = Math.min(at + 4001, packed.length);
  }
  expect(made).toBe(1 + contents.length);
  expect(readdirSync(join(folder, "root/d"))).toHaveLength(contents.length);
  for (const [index, content] of contents.entries())
    expect(readFileSync(join(folder, `root/d/f${index}`)).equals(content)).toBe(true);
  expect(plain.takeFolders()).toEqual([{ path: "d", mtimeNs: 17_000_000_000n }]);
  expect(plain.takeOthers()).toHaveLength(contents.length);
  expect(gunzip.step({ sizeBytes: packed.length, ended: true }, plain).state).toBe("ended");
});
