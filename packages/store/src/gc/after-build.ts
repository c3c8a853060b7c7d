import { readFileSync, statfsSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";
import type { Store } from "../api.ts";
import { type StoreState, stateOf } from "../state.ts";
import type { Limits } from "./choose.ts";
import { type CollectReport, collectCache, type LastCollection } from "./collect-cache.ts";

export interface Automatic {
  /** Bytes or a share of the file system; see `resolveSize`. */
  readonly max: Size;
  readonly minFree: Size;
  readonly reserved: Size;
  readonly unusedForMs: number;
  readonly sources: { readonly bytes: number; readonly unusedForMs: number };
  readonly mountBytes: Readonly<Record<string, number>>;
  /** Builds of each project whose records stay. */
  readonly keptBuilds: number;
}

/** At most so many bytes, and at most such a share of the file system, whichever is less. */
export interface Size {
  readonly bytes?: number | undefined;
  /** 0 to 100. */
  readonly percent?: number | undefined;
}

export function resolveSize({ bytes = Infinity, percent = 100 }: Size, diskBytes: number): number {
  return Math.floor(Math.min(bytes, (diskBytes * percent) / 100));
}

/** How old the last look may be. */
const LOOK_AFTER_MS = 60 * 60 * 1000;
/** Looks for rules of time alone need not be frequent. */
const FULL_LOOK_AFTER_MS = 24 * LOOK_AFTER_MS;

/**
 * After a build: removes what passes the limits. Undefined when there was nothing to look at, which costs two system calls: since the last
 * look the state folder cannot have grown by more than the file system has filled up. Where that leaves room below the ceiling, nothing is
 * asked of the database or of any folder.
 */
export async function collectAfterBuild(
  store: Store,
  settings: Automatic,
): Promise<CollectReport | undefined> {
  const state = stateOf(store);
  const disk = statfsSync(state.layout.base);
  const diskBytes = disk.blocks * disk.bsize;
  const limits: Limits = {
    maxBytes: resolveSize(settings.max, diskBytes),
    minFreeBytes: resolveSize(settings.minFree, diskBytes),
    reservedBytes: resolveSize(settings.reserved, diskBytes),
    unusedForMs: settings.unusedForMs,
    sources: settings.sources,
    mountBytes: settings.mountBytes,
  };
  const usage = { freeBytes: disk.bavail * disk.bsize, usedBytes: (disk.blocks - disk.bfree) * disk.bsize };
  if (!isDue(state, limits, usage)) return undefined;
  return collectCache(store, {
    limits,
    everything: false,
    all: false,
    keptBuilds: settings.keptBuilds,
    dryRun: false,
    by: "gc",
    wait: undefined,
  });
}

function isDue(
  state: StoreState,
  limits: Limits,
  disk: { readonly freeBytes: number; readonly usedBytes: number },
): boolean {
  const last = readLast(state);
  const now = Date.now();
  if (last === undefined || last.at > now) return true;
  const age = now - last.at;
  if (age > FULL_LOOK_AFTER_MS) return true;
  const grown = Math.max(0, last.freeBytes - disk.freeBytes);
  const most = Math.min(disk.usedBytes, last.usedBytes + grown);
  const { maxBytes = Infinity, minFreeBytes = 0, reservedBytes = 0 } = limits;
  const isFull = disk.freeBytes < minFreeBytes && most > reservedBytes;
  if (most <= maxBytes && !isFull) return false;
  // The last look left it so: what it could not remove then is likely still needed.
  const wasHopeless = last.usedBytes > maxBytes || last.freeBytes < minFreeBytes;
  return !wasHopeless || grown > GROWTH_BYTES || age > LOOK_AFTER_MS;
}

const GROWTH_BYTES = 256 * 1024 * 1024;

function readLast({ layout }: StoreState): LastCollection | undefined {
  try {
    return JSON.parse(readFileSync(layout.gcState, "utf8")) as LastCollection;
  } catch (error) {
    if (error instanceof SyntaxError || errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
