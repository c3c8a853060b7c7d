import { hostPlatform, normalizeArchitecture, type Platform, TsbuildError } from "@tsbuild/base";

/** `KEY=VALUE`; without `=`, `undefined`. Throws TSB_USAGE on an empty key. */
export function keyAndValue(flag: string, text: string): [string, string | undefined] {
  const equals = text.indexOf("=");
  if (equals < 0 && text !== "") return [text, undefined];
  if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
  throw new TsbuildError("TSB_USAGE", `${flag} ${JSON.stringify(text)}: the name is missing`);
}

/** The fields of a list: several flags, each with several values between commas. */
export function commaList(values: readonly string[]): string[] {
  return values
    .flatMap((value) => value.split(","))
    .map((field) => field.trim())
    .filter((field) => field !== "");
}

/** Operating systems that an image can be for (Go's GOOS as images use it): tells `linux` from an architecture. */
const SYSTEMS: ReadonlySet<string> = new Set(["linux", "windows", "freebsd", "darwin", "wasip1"]);

/** `os/arch[/variant]`, `arch`, `os`, or `local` for this machine (C006). Throws TSB_USAGE. */
export function parsePlatform(text: string): Platform {
  const host = hostPlatform();
  if (text === "local") return host;
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw new TsbuildError("TSB_USAGE", `${JSON.stringify(text)} is not a platform`, {
      hint: "a platform is os/arch or os/arch/variant, such as linux/arm64",
    });
  }
  const [first = "", second, variant] = parts;
  if (second === undefined) {
    return SYSTEMS.has(first)
      ? { os: first, architecture: host.architecture }
      : { os: host.os, architecture: normalizeArchitecture(first) };
  }
  const platform = { os: first, architecture: normalizeArchitecture(second) };
  return variant === undefined ? platform : { ...platform, variant };
}

/** `name:ip`, `name=ip`, `name:[v6]`, `name:host-gateway` (C020). Throws TSB_USAGE. */
export function parseAddHost(text: string): { host: string; ip: string } {
  const at = text.search(/[=:]/);
  const host = text.slice(0, Math.max(at, 0)).trim();
  const ip = text
    .slice(at + 1)
    .trim()
    .replace(/^\[(.*)\]$/, "$1");
  if (host !== "" && (ip === "host-gateway" || /^[0-9a-f.:]+$/i.test(ip))) return { host, ip };
  throw new TsbuildError("TSB_USAGE", `--add-host ${JSON.stringify(text)} is not NAME:IP`);
}

/** One of a flag's words. Throws TSB_USAGE with the others. */
export function oneOf<T extends string>(flag: string, text: string, words: readonly T[]): T {
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  throw new TsbuildError("TSB_USAGE", `${flag}: unknown value ${JSON.stringify(text)}`, {
    hint: `one of ${words.join(", ")}`,
  });
}

/** A whole number from 1. Throws TSB_USAGE. */
export function positiveInteger(flag: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value;
  throw new TsbuildError("TSB_USAGE", `${flag} ${JSON.stringify(text)} is not a number from 1`);
}
