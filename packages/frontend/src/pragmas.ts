import { nearest } from "@tsbuild/base";
import { EXPAND_FROM, pragmaTexts } from "@tsbuild/dockerfile";
import type { StepPragma } from "@tsbuild/llb";

/** What is wrong with a pragma, in words for the user. */
type Complain = (message: string) => void;

const UNIT_MS = new Map([
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
const MAX_RETRIES = 100;

function durationMs(value: string): number | undefined {
  const [, number, unit = ""] = /^(\d{1,6})([smhd])$/.exec(value) ?? [];
  const factor = UNIT_MS.get(unit);
  return number === undefined || factor === undefined || Number(number) === 0
    ? undefined
    : Number(number) * factor;
}

function duration(name: string, value: string, complain: Complain): number | undefined {
  const ms = durationMs(value);
  if (ms === undefined)
    complain(`${name}=${value} is not a time: write for example ${name}=90s, 10m, 24h or 7d`);
  return ms;
}

function count(value: string, complain: Complain): number | undefined {
  const number = /^\d{1,3}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= 1 && number <= MAX_RETRIES) return number;
  complain(`retry=${value} is not a number from 1 to ${MAX_RETRIES}`);
  return undefined;
}

type Reader = (value: string, complain: Complain) => StepPragma;

function given<K extends keyof StepPragma>(key: K, value: StepPragma[K] | undefined): StepPragma {
  return value === undefined ? {} : { [key]: value };
}

const READERS: Readonly<Record<string, Reader>> = {
  "no-cache": () => ({ noCache: true }),
  ttl: (value, complain) => given("ttlMs", duration("ttl", value, complain)),
  retry: (value, complain) => given("retry", count(value, complain)),
  timeout: (value, complain) => given("timeoutMs", duration("timeout", value, complain)),
  [EXPAND_FROM]: () => ({}),
};

function readOne(text: string, complain: Complain): StepPragma {
  const [, name = "", value = ""] = /^([^=\s]*)\s*=?\s*(.*)$/.exec(text) ?? [];
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  if (reader !== undefined) return reader(value, complain);
  const meant = nearest(name, Object.keys(READERS));
  const hint =
    meant === undefined ? `there are ${Object.keys(READERS).join(", ")}` : `did you mean ${meant}?`;
  complain(`there is no pragma ${JSON.stringify(name)}; ${hint}`);
  return {};
}

/**
 * Reads the comments right above an instruction: `# tsbuild: no-cache`, `ttl=24h`, `retry=3`, `timeout=10m`, several with commas (W028). What
 * cannot be read is told and has no effect.
 */
export function readPragma(comments: readonly string[], complain: Complain): StepPragma {
  const pragma: StepPragma = {};
  for (const text of pragmaTexts(comments)) Object.assign(pragma, readOne(text, complain));
  return pragma;
}
