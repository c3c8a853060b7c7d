import { TsbuildError } from "@tsbuild/base";
import type { Automatic } from "@tsbuild/store";
import { parseAge, parseSize } from "./size.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** As written in the configuration file under `gc`; the environment says the same in upper case, e.g. TSBUILD_GC_MAX. */
interface GcTexts {
  readonly max: string;
  readonly minFree: string;
  readonly reserved: string;
  readonly unusedFor: string;
  readonly sources: string;
  readonly sourcesUnusedFor: string;
  readonly keepBuilds: string;
}

/**
 * A ceiling means a ceiling (W006): 50 GB, or a fifth of a smaller disk. BuildKit's defaults for the rest (V042, V043).
 */
const DEFAULTS: GcTexts = {
  max: "20%,50GB",
  minFree: "5%,10GB",
  reserved: "2%,2GB",
  unusedFor: "60d",
  sources: "512MB",
  sourcesUnusedFor: "48h",
  keepBuilds: "3",
};

const VARIABLES: Readonly<Record<keyof GcTexts, string>> = {
  max: "TSBUILD_GC_MAX",
  minFree: "TSBUILD_GC_MIN_FREE",
  reserved: "TSBUILD_GC_RESERVED",
  unusedFor: "TSBUILD_GC_UNUSED_FOR",
  sources: "TSBUILD_GC_SOURCES",
  sourcesUnusedFor: "TSBUILD_GC_SOURCES_UNUSED_FOR",
  keepBuilds: "TSBUILD_GC_KEEP_BUILDS",
};

/**
 * Automatic collection: undefined when it is off (TSBUILD_GC=off, or `"gc": false`). `file` is what the configuration file has; `fail`
 * makes its error. Throws TSB_USAGE.
 */
export function gcSettings(
  env: Env,
  file: unknown,
  fail: (why: string) => TsbuildError,
): Automatic | undefined {
  const { texts, mounts } = fromFile(file, fail);
  const toggle = env["TSBUILD_GC"] ?? "";
  if (!["", "on", "off"].includes(toggle)) {
    throw new TsbuildError("TSB_USAGE", `TSBUILD_GC: unknown value ${JSON.stringify(toggle)}`, {
      hint: "on or off",
    });
  }
  if (toggle === "off" || (toggle === "" && file === false)) return undefined;
  const read = <T>(name: keyof GcTexts, parse: (what: string, text: string) => T): T => {
    const variable = env[VARIABLES[name]];
    if (variable) return parse(VARIABLES[name], variable);
    return parse(`gc.${name}`, texts[name] ?? DEFAULTS[name]);
  };
  return {
    max: read("max", parseSize),
    minFree: read("minFree", parseSize),
    reserved: read("reserved", parseSize),
    unusedForMs: read("unusedFor", parseAge),
    sources: {
      bytes: read("sources", parseSize).bytes ?? Infinity,
      unusedForMs: read("sourcesUnusedFor", parseAge),
    },
    mountBytes: Object.fromEntries(
      Object.entries(mounts).map(([id, text]) => [id, parseSize(`gc.mounts ${id}`, text).bytes ?? Infinity]),
    ),
    keptBuilds: read("keepBuilds", count),
  };
}

function count(what: string, text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new TsbuildError("TSB_USAGE", `${what} ${JSON.stringify(text)} is not a number`);
}

function fromFile(
  file: unknown,
  fail: (why: string) => TsbuildError,
): { readonly texts: Partial<GcTexts>; readonly mounts: Readonly<Record<string, string>> } {
  if (file === undefined || file === false) return { texts: {}, mounts: {} };
  if (!isObject(file)) throw fail('"gc" is neither false nor an object');
  const { mounts = {}, ...texts } = file;
  const unknown = Object.keys(texts).find((name) => !(name in DEFAULTS));
  if (unknown !== undefined) throw fail(`unknown setting ${JSON.stringify(unknown)} of "gc"`);
  if (!isObject(mounts)) throw fail('"gc.mounts" is not an object');
  return { texts: strings(texts, fail), mounts: strings(mounts, fail) };
}

function strings(
  object: Readonly<Record<string, unknown>>,
  fail: (why: string) => TsbuildError,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object).map(([name, value]) => {
      if (typeof value !== "string" && typeof value !== "number")
        throw fail(`${name} of "gc" is not a string`);
      return [name, String(value)];
    }),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
