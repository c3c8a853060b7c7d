import { hostPlatform, normalizeArchitecture, type Platform } from "@tsbuild/base";
import { mistake } from "./failure.ts";
import { decodePercent } from "./percent.ts";

const COMPONENT = /^[A-Za-z0-9_.-]+$/;
const OS = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%-]*)(?:\+[A-Za-z0-9_.%+-]*)?\))?$/;

const KNOWN_OS = new Set(
  "aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos".split(
    " ",
  ),
);
const KNOWN_ARCHITECTURES = new Set(
  "386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le ppc riscv riscv64 s390 s390x sparc sparc64 wasm".split(
    " ",
  ),
);

/** Variants that are another spelling, or the baseline that goes without saying. */
const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  amd64: { v1: "" },
  arm64: { "8": "", v8: "", "v8.0": "", "9": "v9", "9.0": "v9", "v9.0": "v9" },
  arm: { "": "v7", "5": "v5", "6": "v6", "7": "v7", "8": "v8" },
};

function normalizeVariant(written: string, architecture: string, variant: string): string {
  if (written === "armhf") return "v7";
  if (written === "armel") return "v6";
  if (written === "i386") return "";
  return VARIANTS[architecture]?.[variant] ?? variant;
}

function architectureOf(name: string): string {
  return name.toLowerCase() === "armel" ? "arm" : normalizeArchitecture(name);
}

function make(os: string, osVersion: string, architecture: string, variant: string): Platform {
  return {
    os,
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(osVersion === "" ? {} : { osVersion }),
  };
}

/** The one spelling of a platform: usual aliases of architectures, no variant that is the default. */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase() === "macos" ? "darwin" : platform.os.toLowerCase();
  const architecture = architectureOf(platform.architecture);
  const variant = (platform.variant ?? "").toLowerCase();
  const written = platform.architecture.toLowerCase();
  return make(os, platform.osVersion ?? "", architecture, normalizeVariant(written, architecture, variant));
}

/**
 * Reads `os[(version)]/arch[/variant]`, an operating system or an architecture alone. Throws TSB_DOCKERFILE
 * (without a place). `linux/arm` stays without its variant: v7 is only what it means, not what was asked for.
 */
export function parsePlatform(text: string): Platform {
  const [first = "", architecture, variant, ...rest] = text.split("/");
  const os = OS.exec(first);
  const invalid = (part: string) =>
    mistake(`${JSON.stringify(part)} is not valid in the platform ${JSON.stringify(text)}`, HINT);
  if (os === null) throw invalid(first);
  for (const part of [architecture, variant, ...rest])
    if (part !== undefined && !COMPONENT.test(part)) throw invalid(part);
  if (rest.length > 0) throw invalid(rest.join("/"));
  if (architecture === undefined) return parseSingle(text, os);
  const version = decodePercent(os[2] ?? "");
  if (version === undefined) throw invalid(first);
  const parsed = normalizePlatform(
    make((os[1] as string).toLowerCase(), version, architecture, variant ?? ""),
  );
  if (parsed.architecture === "arm64" && variant !== undefined && parsed.variant === undefined)
    return { ...parsed, variant: "v8" };
  if (variant === undefined) return withoutDefaultVariant(parsed);
  return parsed;
}

const HINT = "write a platform as OS/ARCHITECTURE[/VARIANT], e.g. linux/amd64 or linux/arm/v7";

function withoutDefaultVariant(platform: Platform): Platform {
  if (platform.architecture !== "arm" || platform.variant !== "v7") return platform;
  return make(platform.os, platform.osVersion ?? "", platform.architecture, "");
}

function parseSingle(text: string, os: RegExpExecArray): Platform {
  const name = (os[1] as string).toLowerCase();
  if (KNOWN_OS.has(name) || name === "macos")
    return normalizePlatform(make(name, os[2] ?? "", hostPlatform().architecture, ""));
  const platform = withoutDefaultVariant(normalizePlatform(make("linux", "", text, "")));
  if (KNOWN_ARCHITECTURES.has(platform.architecture)) return platform;
  throw mistake(`${JSON.stringify(text)} is neither a known operating system nor an architecture`, HINT);
}

/** `os[(version)]/arch[/variant]`. */
export function formatFullPlatform(platform: Platform): string {
  const version = platform.osVersion ? `(${platform.osVersion})` : "";
  const parts = [`${platform.os}${version}`, platform.architecture, platform.variant ?? ""];
  return parts.filter((part) => part !== "").join("/");
}
