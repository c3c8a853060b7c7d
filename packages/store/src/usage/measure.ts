import { lstatSync, type Stats } from "node:fs";
import { readdir } from "node:fs/promises";
import { errnoCode } from "@tsbuild/base";
import type { StoreState } from "../state.ts";

const BLOCK_BYTES = 512;

/**
 * Bytes that a file or a tree takes on disk (blocks, not sizes; files with several names once), which others may change. What vanishes
 * meanwhile counts nothing.
 * Gives way to other work after each folder: a tree may have many thousand entries.
 */
export async function diskBytes(path: string): Promise<number> {
  const seen = new Set<number>();
  const pending: Buffer[] = [Buffer.from(path)];
  let total = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const stat = statOf(next);
    if (stat === undefined) continue;
    total += ownBytes(stat, seen);
    if (!stat.isDirectory()) continue;
    for (const name of await namesIn(next)) {
      const child = Buffer.concat([next, SLASH, name]);
      const entry = statOf(child);
      if (entry === undefined) continue;
      if (entry.isDirectory()) pending.push(child);
      else total += ownBytes(entry, seen);
    }
  }
  return total;
}

const SLASH = Buffer.from("/");

function ownBytes(stat: Stats, seen: Set<number>): number {
  if (stat.nlink > 1 && !stat.isDirectory()) {
    if (seen.has(stat.ino)) return 0;
    seen.add(stat.ino);
  }
  return stat.blocks * BLOCK_BYTES;
}

function statOf(path: Buffer): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // Below a folder that was replaced by a file, or deeper than a path can be long.
    if (isGone(error)) return undefined;
    throw error;
  }
}

async function namesIn(folder: Buffer): Promise<Buffer[]> {
  try {
    return await readdir(folder, { encoding: "buffer" });
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = errnoCode(error);
  return code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG" || code === "EACCES";
}

/** 0 for one that somebody is removing. */
async function layerBytes({ layout, native }: StoreState, id: number, seen: Set<number>): Promise<number> {
  try {
    const folder = native.openFolder(layout.layer(id));
    return await native.diskUsage(folder, seen).finally(() => native.close(folder));
  } catch (error) {
    if (isGone(error) || errnoCode(error) === "ESTALE") return 0;
    throw error;
  }
}

/** Measures committed layers that were not measured yet, once and for all: they never change. */
export async function measureLayers(state: StoreState): Promise<void> {
  const { database } = state;
  // Those that share files are always all in it: a file counts for the oldest of them.
  const seen = new Set<number>();
  const rows = database.all<{ id: number; linked: number }>(
    `SELECT id, linked FROM layers WHERE disk_bytes IS NULL
     AND EXISTS (SELECT 1 FROM snapshots WHERE layer=layers.id AND lease IS NULL) ORDER BY id`,
  );
  for (const { id, linked } of rows) {
    const bytes = await layerBytes(state, id, linked === 1 ? seen : new Set());
    database.transaction(() => {
      database.run("UPDATE layers SET disk_bytes=? WHERE id=?", bytes, id);
    });
  }
}

/** Of all layers that were measured. */
export function measuredBytes({ database }: StoreState): number {
  return database.get<{ bytes: number | null }>("SELECT sum(disk_bytes) AS bytes FROM layers")?.bytes ?? 0;
}
