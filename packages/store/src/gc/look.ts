import { readFileSync, statfsSync, writeFileSync } from "node:fs";
import { errnoCode } from "@tsbuild/base";
import type { Layout } from "../layout.ts";

/** What the next build decides by whether to look closer; see after-build.ts. */
export interface LastCollection {
  /** Of the last look at everything. */
  readonly at: number;
  /** When new layers were last added to `usedBytes`. */
  readonly measuredAt: number;
  /** What was left then. */
  readonly lookBytes: number;
  readonly usedBytes: number;
  /** Of all layers that were measured by then; what a version before wrote has it not. */
  readonly layerBytes: number;
  readonly freeBytes: number;
}

export function freeBytes(layout: Layout): number {
  const { bavail, bsize } = statfsSync(layout.base);
  return bavail * bsize;
}

export function rememberLook(layout: Layout, look: LastCollection): void {
  // Not by rename: whoever reads half of it takes it for missing and looks closer.
  writeFileSync(layout.gcState, JSON.stringify(look), { mode: 0o600 });
}

/** Of a folder that was just made nobody needs to look for what is in it. */
export function rememberEmpty(layout: Layout): void {
  const at = Date.now();
  rememberLook(layout, {
    at,
    measuredAt: at,
    lookBytes: 0,
    usedBytes: 0,
    layerBytes: 0,
    freeBytes: freeBytes(layout),
  });
}

export function readLook(layout: Layout): LastCollection | undefined {
  try {
    return JSON.parse(readFileSync(layout.gcState, "utf8")) as LastCollection;
  } catch (error) {
    if (error instanceof SyntaxError || errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
