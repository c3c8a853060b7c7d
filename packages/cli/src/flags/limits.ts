import { nearest, TsbuildError } from "@tsbuild/base";
import type { StepResources } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";

function usage(flag: string, text: string, hint: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `${flag}: cannot read ${JSON.stringify(text)}`, { hint });
}

const UNITS = new Map([
  ["", 0],
  ["b", 0],
  ["k", 10],
  ["m", 20],
  ["g", 30],
  ["t", 40],
]);

/** `64m`, `1.5g`, `4096`; binary units, as Docker has them. Throws TSB_USAGE. */
export function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  const shift = match === null ? undefined : UNITS.get((match[2] ?? "").toLowerCase());
  const bytes =
    match === null || shift === undefined ? Number.NaN : Math.floor(Number(match[1]) * 2 ** shift);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw usage(flag, text, "a number of bytes with a unit, for example 64m or 2g");
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (/^-?\d+$/.test(text) && Number.isSafeInteger(value) && value >= -1) return value;
  throw usage(flag, text, "a whole number");
}

function cpuList(flag: string, text: string): string {
  if (/^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/.test(text)) return text;
  throw usage(flag, text, "numbers and ranges, for example 0-2,7");
}

/** Names of getrlimit(2) as `ulimit` and Docker write them. */
const ULIMITS = [
  ...["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss"],
  ...["rtprio", "rttime", "sigpending", "stack", "as"],
];

/** `nofile=1024:2048`, `nproc=100`, `core=-1` or `core=unlimited` (C022). Throws TSB_USAGE. */
export function parseUlimit(text: string): { name: string; soft: number; hard: number } {
  const [name = "", value = "", ...more] = text.split("=");
  if (!ULIMITS.includes(name)) {
    const meant = nearest(name, ULIMITS);
    throw usage(
      "--ulimit",
      text,
      meant === undefined ? `names: ${ULIMITS.join(", ")}` : `did you mean ${meant}?`,
    );
  }
  const [soft, hard = soft, ...rest] = value
    .split(":")
    .map((number) => (number === "unlimited" ? "-1" : number));
  if (soft === undefined || soft === "" || hard === undefined || more.length + rest.length > 0)
    throw usage("--ulimit", text, "NAME=SOFT[:HARD], for example nofile=1024:2048");
  const limit = { name, soft: wholeNumber("--ulimit", soft), hard: wholeNumber("--ulimit", hard) };
  if (limit.hard >= 0 && (limit.soft < 0 || limit.soft > limit.hard))
    throw usage("--ulimit", text, "the soft limit may not be above the hard one");
  return limit;
}

type Reader = (flag: string, text: string) => StepResources;

const swap: Reader = (flag, text) => ({
  memorySwapBytes: text === "-1" ? -1 : parseBytes(flag, text),
});

/** Keys of --resource (C023), which are also the names of Docker's own flags. */
const RESOURCES: Readonly<Record<string, Reader>> = {
  memory: (flag, text) => ({ memoryBytes: parseBytes(flag, text) }),
  "memory-swap": swap,
  "cpu-shares": (flag, text) => ({ cpuShares: wholeNumber(flag, text) }),
  "cpu-period": (flag, text) => ({ cpuPeriodUs: wholeNumber(flag, text) }),
  "cpu-quota": (flag, text) => ({ cpuQuotaUs: wholeNumber(flag, text) }),
  "cpuset-cpus": (flag, text) => ({ cpusetCpus: cpuList(flag, text) }),
  "cpuset-mems": (flag, text) => ({ cpusetMems: cpuList(flag, text) }),
  pids: (flag, text) => ({ pids: wholeNumber(flag, text) }),
};

/** Flags of their own, as `docker build` has them. */
export const RESOURCE_FLAGS = Object.keys(RESOURCES).filter((name) => name !== "pids");

export function parseResourceFlag(name: string, text: string): StepResources {
  return RESOURCES[name]!(`--${name}`, text);
}

/** `memory=1g,cpuset-cpus="0,1",pids=200`. Throws TSB_USAGE. */
export function parseResource(text: string): StepResources {
  return Object.assign({}, ...csvFields(text).map((field) => resourceField(text, field)));
}

function resourceField(text: string, field: string): StepResources {
  const equals = field.indexOf("=");
  const key = field.slice(0, Math.max(equals, 0)).trim();
  if (Object.hasOwn(RESOURCES, key)) return RESOURCES[key]!(`--resource ${key}`, field.slice(equals + 1));
  const names = Object.keys(RESOURCES);
  const meant = nearest(key, names);
  throw usage(
    "--resource",
    text,
    meant === undefined ? `keys: ${names.join(", ")}` : `did you mean ${meant}=?`,
  );
}
