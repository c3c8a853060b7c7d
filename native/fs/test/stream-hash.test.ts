import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { StreamHash } from "../src/index.ts";

const content = Buffer.alloc(1_300_000, "a content that is longer than what is read at once; ");
let folder = "";
let fd = -1;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbuild-hash-"));
  writeFileSync(join(folder, "file"), content);
  fd = openSync(join(folder, "file"), "r");
});
afterAll(() => {
  closeSync(fd);
  rmSync(folder, { recursive: true, force: true });
});

test("hashes bytes and parts of files as one stream", async () => {
  const hash = new StreamHash();
  hash.update(Buffer.from("head"));
  await hash.updateRange({ fd, offset: 0, length: content.length });
  await hash.updateRange({ fd, offset: 7, length: 600_000 });
  hash.update(new Uint8Array());
  hash.update(Buffer.from("tail"));
  const parts = [Buffer.from("head"), content, content.subarray(7, 600_007), Buffer.from("tail")];
  expect(hash.digest()).toBe(createHash("sha256").update(Buffer.concat(parts)).digest("hex"));
  expect(new StreamHash().digest()).toBe(createHash("sha256").digest("hex"));
});

test("says when a file is shorter than it was said to be, or is none", async () => {
  const hash = new StreamHash();
  const behind = { fd, offset: content.length - 5, length: 6 };
  await expect(hash.updateRange(behind)).rejects.toMatchObject({ code: "EIO" });
  await expect(hash.updateRange({ fd: -1, offset: 0, length: 1 })).rejects.toMatchObject({ code: "EBADF" });
});
