import { statfsSync } from "node:fs";
import type { Store } from "../api.ts";
import { type StoreState, stateOf } from "../state.ts";
import type { Limits } from "./choose.ts";
import type { CollectReport } from "./collect-cache.ts";
import { readLook, rememberLook } from "./look.ts";

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

/** Nearer to the ceiling than this, new layers are measured after every build: one build seldom makes more. */
const NEAR_BYTES = 4e9;

/**
 * After a build: removes what passes the limits. Undefined when there was nothing to remove, which as a rule costs two system calls: as
 * long as the ceiling is far, the state folder is taken to have grown by as much as the file system has filled up since the last look, or since the folder was made.
 * Others may have made room there meanwhile, so near the ceiling, and once an hour, the new layers are measured.
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
  if (!(await isDue(state, limits, usage))) return undefined;
  const { collectCache } = await import("./collect-cache.ts");
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

interface Disk {
  readonly freeBytes: number;
  readonly usedBytes: number;
}

async function isDue(state: StoreState, limits: Limits, disk: Disk): Promise<boolean> {
  const last = readLook(state.layout);
  const age = Date.now() - (last?.at ?? 0);
  if (last?.layerBytes === undefined || age < 0 || age > FULL_LOOK_AFTER_MS) return true;
  const { maxBytes = Infinity, minFreeBytes = 0, reservedBytes = 0 } = limits;
  const filled = Math.max(last.freeBytes - disk.freeBytes, 0);
  // Since the folder was made, nobody has looked: there is nothing that measured layers could be added to.
  const isUnknown = last.usedBytes === 0;
  const left = maxBytes - last.usedBytes - (isUnknown ? filled : 0);
  const isNear = left < NEAR_BYTES || Date.now() - last.measuredAt > LOOK_AFTER_MS;
  if (isNear && isUnknown) return true;
  const layerBytes = isNear ? await measureAll(state) : last.layerBytes;
  const measured = Math.max(layerBytes - last.layerBytes, 0);
  const grown = Math.max(measured, filled);
  const most = Math.min(disk.usedBytes, last.usedBytes + grown);
  const isFull = disk.freeBytes < minFreeBytes && most > reservedBytes;
  // What was measured counts from now on.
  if (measured > 0) {
    const usedBytes = last.usedBytes + measured;
    rememberLook(state.layout, {
      ...last,
      measuredAt: Date.now(),
      usedBytes,
      layerBytes,
      freeBytes: disk.freeBytes,
    });
  }
  if (most <= maxBytes && !isFull) return false;
  // If the last look left it so, what it could not remove then is likely still needed.
  const wasHopeless = last.lookBytes > maxBytes || last.freeBytes < minFreeBytes;
  return !wasHopeless || most - last.lookBytes > Math.min(GROWTH_BYTES, maxBytes / 10) || age > LOOK_AFTER_MS;
}

/** Others may have measured new layers meanwhile (`du`), so what they come to is compared, not what is measured now. */
async function measureAll(state: StoreState): Promise<number> {
  const { measureLayers, measuredBytes } = await import("../usage/measure.ts");
  await measureLayers(state);
  return measuredBytes(state);
}

const GROWTH_BYTES = 256 * 1024 * 1024;
