import { readFileSync } from "node:fs";
import { errnoCode, monotonicMs, TsbuildError, type VertexDigest } from "@tsbuild/base";
import { MemoryGate, type MemoryGauge, type MemoryLimit } from "@tsbuild/solver";
import { parseSize } from "./upkeep/size.ts";

/** What steps may take together of the memory that is free when the first of them begins; the rest is for the page cache and everybody else. */
const DEFAULT = "90%";

/** How long it is taken for true what memory there is. */
const TOLD_MS = 100;

/** Above this share of the last ten seconds in which some process waited for memory, nothing more is begun. Percent. */
const SHORT_PERCENT = 10;

/**
 * By which memory steps are let in: `setting` is that of `--jobs-memory`, else of $TSBUILD_JOBS_MEMORY. `peakOf` tells what a step took when it last ran.
 * Undefined when it is `off`. Throws TSB_USAGE.
 */
export function jobMemory(
  setting: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  peakOf: (vertex: VertexDigest) => number | undefined,
): MemoryLimit | undefined {
  const [what, text] =
    setting === undefined
      ? (["TSBUILD_JOBS_MEMORY", env["TSBUILD_JOBS_MEMORY"] || DEFAULT] as const)
      : (["--jobs-memory", setting] as const);
  if (text === "off") return undefined;
  return { gate: new MemoryGate(gaugeOf(what, text)), expected: ({ digest }) => peakOf(digest) };
}

function gaugeOf(what: string, text: string): MemoryGauge {
  const { bytes = Number.POSITIVE_INFINITY, percent = 100 } = parseMemory(what, text);
  const available = availableBytes();
  return { budgetBytes: () => Math.min(bytes, (available() * percent) / 100), isShort };
}

/**
 * What the machine has or, where there is one, this process's control group. The kernel is asked for five files, which takes as long as a tenth
 * of a short step: not again for each of those that follow closely. When it is asked no step runs, so what was told then holds for the next one.
 */
function availableBytes(): () => number {
  let told = { bytes: 0, untilMs: 0 };
  return () => {
    const now = monotonicMs();
    if (now >= told.untilMs) told = { bytes: process.availableMemory(), untilMs: now + TOLD_MS };
    return told.bytes;
  };
}

function parseMemory(what: string, text: string): ReturnType<typeof parseSize> {
  try {
    return parseSize(what, text);
  } catch (error) {
    if (!(error instanceof TsbuildError)) throw error;
    throw error.with({
      hint: "for example 8GB, 50% of the free memory, 50%,8GB: the lesser of both, or off",
    });
  }
}

/** Pressure stall information (Documentation/accounting/psi.rst); a kernel without it never reports a shortage. */
function isShort(): boolean {
  try {
    const share = /^some avg10=([0-9.]+)/m.exec(readFileSync("/proc/pressure/memory", "utf8"))?.[1];
    return Number(share ?? 0) > SHORT_PERCENT;
  } catch (error) {
    // EOPNOTSUPP: switched off at boot.
    if (["ENOENT", "EOPNOTSUPP", "EACCES", "EPERM"].includes(errnoCode(error) ?? "")) return false;
    throw error;
  }
}
