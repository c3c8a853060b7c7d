/** The program that tsbuild is started by: whatever the file is that it brings into memory, it becomes the other. */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildStart } from "../build.ts";

const cannot = process.arch === "x64" ? undefined : "it is for x86-64 alone";
if (cannot !== undefined) console.warn(`skipped: tsbuild-start: ${cannot}`);

const CODE_BYTES = 8 * 1024 * 1024;

/** The header of a program of 64 bits with `count` equal segments of code: where they begin, and how long they are. */
function header({ count = 1, offset = 0n, size = BigInt(CODE_BYTES) }): Buffer {
  const bytes = Buffer.alloc(64 + 56 * count);
  bytes.write("\x7fELF\x02\x01\x01", "latin1");
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(count, 56);
  for (let at = 64; at < bytes.length; at += 56) {
    bytes.writeUInt32LE(1, at);
    bytes.writeUInt32LE(5, at + 4);
    bytes.writeBigUInt64LE(offset, at + 8);
    bytes.writeBigUInt64LE(size, at + 32);
  }
  return bytes;
}

describe.skipIf(cannot !== undefined)("tsbuild-start", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-start-"));
  const program = join(folder, "tsbuild-start");
  const file = join(folder, "file");
  beforeAll(() => buildStart(folder));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...args: readonly string[]) => {
    const { status, signal, stdout, stderr } = spawnSync(program, args, {
      encoding: "utf8",
      env: { A: "b" },
    });
    return { status, signal, stdout, stderr };
  };

  test("hands arguments, environment and exit code on", () => {
    const found = run("/bin/sh", "/bin/sh", "-c", 'echo "$0 $1 $A"; exit 7', "zero", "one");
    expect(found).toEqual({ status: 7, signal: null, stdout: "zero one b\n", stderr: "" });
  });

  test("says what cannot be executed, and how it is used", () => {
    const stderr = "tsbuild-start: cannot execute /none\n";
    expect(run(file, "/none")).toEqual({ status: 126, signal: null, stdout: "", stderr });
    expect(run(file).stderr).toBe("usage: tsbuild-start FILE PROGRAM ARG...\n");
  });

  const odd: Readonly<Record<string, Buffer>> = {
    nothing: Buffer.alloc(0),
    "a script": Buffer.from("#!/bin/sh\n"),
    "a header cut off": header({}).subarray(0, 70),
    "more segments than bytes": header({ count: 1000 }).subarray(0, 4096),
    "code beyond the file": header({ size: 1n << 40n }),
    "an end beyond all": header({ offset: 1n << 63n, size: (1n << 63n) + 1n }),
    "no code": header({ size: 0n }),
  };
  test.each(Object.entries(odd))("does without a file that is %s", (_, bytes) => {
    writeFileSync(file, bytes);
    expect(run(file, "/bin/echo", "on")).toEqual({ status: 0, signal: null, stdout: "on\n", stderr: "" });
  });
  test("does without a file, and with a folder", () => {
    for (const path of [join(folder, "none"), folder])
      expect(run(path, "/bin/echo", "on").stdout).toBe("on\n");
  });

  test("reads what is not in memory, and not much more than is code", () => {
    const target = openSync(file, "w");
    writeSync(target, header({}));
    const piece = Buffer.alloc(1024 * 1024, 1);
    for (let at = 0; at < 32; at++) writeSync(target, piece);
    fsyncSync(target);
    closeSync(target);
    execFileSync("dd", [`if=${file}`, "iflag=nocache", "count=0", "status=none"]);
    const resident = () => Number(execFileSync("fincore", ["-nbo", "RES", file], { encoding: "utf8" }));
    if (resident() > CODE_BYTES / 8) return console.log(`skipped: ${tmpdir()} keeps what it is told to drop`);
    run(file, "/bin/true");
    expect(resident()).toBeGreaterThanOrEqual(CODE_BYTES);
    // The kernel reads ahead.
    expect(resident()).toBeLessThan(3 * CODE_BYTES);
  });
});
