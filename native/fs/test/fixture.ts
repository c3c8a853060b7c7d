import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { buildFs } from "../build.ts";
import { decodeTree, encodeTreeOps, nativeFs, type TreeEntry, type TreeOp } from "../src/index.ts";

await buildFs();

/** Owner that an unprivileged test may give to files. */
export const owner = { uid: process.getuid!(), gid: process.getgid!() };

/** A new folder, gone when the test ends. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "tsbuild-fs-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Opens a folder as a root until the test ends. */
export function openRoot(path: string): number {
  const root = nativeFs.openFolder(path);
  onTestFinished(() => nativeFs.close(root));
  return root;
}

export async function entriesBelow(root: number, path = "", xattrs = false): Promise<TreeEntry[]> {
  return [...decodeTree(await nativeFs.walk(root, path, { xattrs }))];
}

export async function entryAt(root: number, path: string, xattrs = false): Promise<TreeEntry> {
  return (await entriesBelow(root, path, xattrs))[0]!;
}

/** Applies ops without a source. */
export async function applyOps(root: number, ...ops: readonly TreeOp[]): Promise<void> {
  await nativeFs.apply(root, -1, encodeTreeOps(ops), { hash: false });
}

/** The error that `run` fails with, as plain data. */
export async function failureOf(run: () => unknown): Promise<Record<string, unknown>> {
  try {
    await run();
  } catch (error) {
    const { message } = error as Error;
    return { message, ...(error as object) };
  }
  throw new Error("expected a failure");
}
