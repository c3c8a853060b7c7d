import { spawnSync } from "node:child_process";
import { closeSync, fsyncSync, openSync, readFileSync, statfsSync, writeSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { PassedBy } from "../src/index.ts";
import { temporaryFolder } from "./fixture.ts";

const MIB = 1024 * 1024;
const TMPFS = 0x01021994;

function residentBytes(file: string): number {
  const { stdout } = spawnSync("fincore", ["--bytes", "--noheadings", "--output", "RES", file], {
    encoding: "utf8",
  });
  return Number(stdout);
}

test("a file that is passed by leaves memory window by window, what is behind and what is not whole stays", () => {
  const folder = temporaryFolder();
  const file = `${folder}/blob`;
  const bytes = Buffer.alloc(28 * MIB, "tsbuild");
  const fd = openSync(file, "w+");
  onTestFinished(() => closeSync(fd));
  for (let at = 0; at < bytes.length; at += MIB) writeSync(fd, bytes, at, MIB, at);
  fsyncSync(fd);
  const passed = new PassedBy(fd);
  passed.upTo(7 * MIB);
  expect(residentBytes(file)).toBeGreaterThan(20 * MIB);
  passed.upTo(9 * MIB);
  passed.upTo(17 * MIB);
  const left = residentBytes(file);
  // A file system that is memory keeps it. Elsewhere, pages that a window's end lies in may stay.
  expect(left).toBeLessThan((statfsSync(folder).type === TMPFS ? 29 : 14) * MIB);
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

test("where nothing can be forgotten nothing happens", () => {
  const passed = new PassedBy(-1);
  expect(() => passed.upTo(64 * MIB)).not.toThrow();
});
