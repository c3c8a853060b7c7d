import { readFileSync } from "node:fs";
import { errnoCode, TsbuildError, type VertexDigest } from "@tsbuild/base";
import { MemoryGate, type MemoryGauge, type MemoryLimit } from "@tsbuild/solver";
import { parseSize } from "./upkeep/size.ts";

/** What steps may take together of the memory that is free when the first of them begins; the rest is for the page cache and everybody else. */
const DEFAULT = "90%";

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
  return {
    // Of the machine or, where there is one, of this process's control group.
    budgetBytes: () => Math.min(bytes, (process.availableMemory() * percent) / 100),
    isShort,
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
