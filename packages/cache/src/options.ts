import { type Digest, isDigest, nearest, parseTruth, TsbuildError } from "@tsbuild/base";
import type { LocalSourcePlace, LocalTargetPlace } from "./local.ts";
import type { ManifestForm } from "./manifest.ts";
import type { RegistryPlace } from "./registry.ts";

/** One --cache-to or --cache-from: `type` and the other `k=v`. */
export interface CacheRequest {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

export type Env = Readonly<Record<string, string | undefined>>;

const FORM = ["image-manifest", "oci-mediatypes"];
const COMPRESSION = ["compression", "compression-level", "force-compression"];
const ALL = ["include"];
const TO = ["mode", "ignore-error", ...COMPRESSION, ...ALL];
const S3 = [
  ...["bucket", "region", "prefix", "manifests_prefix", "blobs_prefix", "name", "endpoint_url"],
  ...["use_path_style", "access_key_id", "secret_access_key", "session_token", "touch_refresh"],
  ...["upload_parallelism", "retry_mode", "retry_max_attempts"],
];
const GHA = ["scope", "url", "url_v2", "token", "version", "timeout", "repository", "ghtoken"];

const TARGET_KEYS: Readonly<Record<string, readonly string[]>> = {
  registry: ["ref", "registry.insecure", ...FORM, ...TO],
  local: ["dest", "tag", "reset", ...FORM, ...TO],
  inline: ["mode"],
  gha: [...GHA, ...TO],
  s3: [...S3, ...TO],
};

const SOURCE_KEYS: Readonly<Record<string, readonly string[]>> = {
  registry: ["ref", "registry.insecure", ...ALL],
  local: ["src", "tag", "digest", ...ALL],
  gha: [...GHA, ...ALL],
  s3: [...S3, ...ALL],
};

/** Reads the options of one flag; every problem names it. */
export class CacheOptions {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
  readonly #flag: string;

  constructor(flag: "--cache-to" | "--cache-from", request: CacheRequest) {
    this.#flag = `${flag} type=${request.type}`;
    this.type = request.type;
    this.attrs = request.attrs;
    const table = flag === "--cache-to" ? TARGET_KEYS : SOURCE_KEYS;
    if (!Object.hasOwn(table, request.type)) throw unknownType(flag, request.type, Object.keys(table));
    const known = table[request.type] ?? [];
    for (const key of Object.keys(request.attrs)) if (!known.includes(key)) throw this.#unknown(key, known);
  }

  text(key: string): string | undefined {
    const value = this.attrs[key];
    return value === "" ? undefined : value;
  }

  required(key: string, fallback?: string, hint?: string): string {
    const value = this.text(key) ?? fallback;
    if (value !== undefined && value !== "") return value;
    throw this.fail(`${key}= is missing`, hint);
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.text(key);
    if (value === undefined) return fallback;
    const truth = parseTruth(value);
    if (truth !== undefined) return truth;
    throw this.fail(`${key}=${JSON.stringify(value)} is neither true nor false`);
  }

  positive(key: string, fallback: number): number {
    const value = this.text(key);
    if (value === undefined) return fallback;
    if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
    throw this.fail(`${key}=${JSON.stringify(value)} is not a number above zero`);
  }

  /** `90s`, `10m`, `24h`, as Go writes durations. */
  durationMs(key: string, fallbackMs: number): number {
    const value = this.text(key);
    if (value === undefined) return fallbackMs;
    const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
    const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
    if (parts.length === 0 || parts.map(([whole]) => whole).join("") !== value)
      throw this.fail(`${key}=${JSON.stringify(value)} is not a duration such as 10m`);
    return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0), 0);
  }

  fail(message: string, hint?: string): TsbuildError {
    return new TsbuildError("TSB_USAGE", `${this.#flag}: ${message}`, { hint });
  }

  #unknown(key: string, known: readonly string[]): TsbuildError {
    const meant = nearest(key, known);
    const hint = known.length === 0 ? "it takes none" : `known are ${known.join(", ")}`;
    return this.fail(
      `unknown option ${JSON.stringify(key)}`,
      meant === undefined ? hint : `did you mean ${meant}=?`,
    );
  }
}

function unknownType(flag: string, type: string, known: readonly string[]): TsbuildError {
  const inline =
    type === "inline" ? "; a cache inside an image is imported with type=registry,ref=IMAGE" : "";
  return new TsbuildError("TSB_USAGE", `${flag}: unknown type ${JSON.stringify(type)}`, {
    hint: `types: ${known.join(", ")}${inline}`,
  });
}

/** What all kinds of --cache-to have. */
export interface TargetSettings {
  readonly mode: "min" | "max";
  readonly ignoreError: boolean;
  readonly mounts: MountChoice;
  /** For the packer of layers. */
  readonly compression: Readonly<Record<string, string>>;
}

/** Cache mounts that go along (W005): none, all, or those with these ids. */
export type MountChoice = "none" | "all" | readonly string[];

export function targetSettings(options: CacheOptions): TargetSettings {
  const mode = options.text("mode") ?? "min";
  if (mode !== "min" && mode !== "max")
    throw options.fail(`mode=${JSON.stringify(mode)} is not known`, "min or max");
  const compression = COMPRESSION.flatMap((key) => {
    const value = options.text(key);
    return value === undefined ? [] : [[key, value] as const];
  });
  return {
    mode,
    ignoreError: options.boolean("ignore-error", false),
    mounts: mountChoice(options),
    compression: Object.fromEntries(compression),
  };
}

/** `include=mounts`, `include=mounts:ID`, several after another with `;`. */
export function mountChoice(options: CacheOptions): MountChoice {
  const value = options.text("include");
  if (value === undefined) return "none";
  const ids: string[] = [];
  for (const part of value.split(";")) {
    if (part === "mounts") return "all";
    if (!part.startsWith("mounts:") || part === "mounts:")
      throw options.fail(
        `include=${JSON.stringify(value)} is not known`,
        "include=mounts or include=mounts:ID;mounts:ID",
      );
    ids.push(part.slice("mounts:".length));
  }
  return ids;
}

/** An image has the layers of the result and no others (V030). Throws TSB_USAGE for `mode=max`. */
export function checkInline(options: CacheOptions): void {
  if (targetSettings(options).mode === "min") return;
  throw options.fail(
    "mode=max is not possible: an image has the layers of its result only",
    "type=registry,ref=NAME:cache,mode=max keeps all steps beside the image",
  );
}

export function manifestForm(options: CacheOptions): ManifestForm {
  const ociTypes = options.boolean("oci-mediatypes", true);
  const imageManifest = options.boolean("image-manifest", ociTypes);
  if (imageManifest && !ociTypes)
    throw options.fail("image-manifest=true needs oci-mediatypes=true", "leave one of them out");
  return { imageManifest, ociTypes };
}

export function registryPlace(options: CacheOptions): RegistryPlace {
  return {
    ref: options.required("ref", undefined, "for example type=registry,ref=registry.example/app:cache"),
    insecure: options.boolean("registry.insecure", false),
  };
}

export function localTargetPlace(options: CacheOptions): LocalTargetPlace {
  return {
    ...manifestForm(options),
    dest: options.required("dest", undefined, "for example type=local,dest=cache"),
    tag: options.text("tag") ?? "latest",
    reset: options.boolean("reset", false),
  };
}

export function localSourcePlace(options: CacheOptions): LocalSourcePlace {
  const digest = options.text("digest");
  if (digest !== undefined && !isDigest(digest))
    throw options.fail(`digest=${JSON.stringify(digest)} is not sha256:<64 hex digits>`);
  return {
    src: options.required("src", undefined, "for example type=local,src=cache"),
    tag: options.text("tag") ?? "latest",
    digest: digest as Digest | undefined,
  };
}
