import { suggestion, TsbuildError } from "@tsbuild/base";
import {
  type CompressionVariant,
  formatReference,
  type LayerCompression,
  parseReference,
} from "@tsbuild/oci";
import type { ExportRequest } from "./types.ts";

/** The options of an image output (X010), read and checked. */
export interface ImageAttributes {
  /** Normalised; undefined: the image's own names. */
  readonly names: readonly string[] | undefined;
  readonly ociTypes: boolean;
  readonly variant: CompressionVariant;
  /** Also blobs that exist in another form are compressed anew. */
  readonly force: boolean;
  /** A tar; else a folder. */
  readonly tar: boolean;
  /** X020: times of new layers are cut off at SOURCE_DATE_EPOCH. */
  readonly rewriteTimestamps: boolean;
  /** X011: to the registries of its names. */
  readonly push: boolean;
  /** No tag is set: what was pushed is reachable by its digest only. */
  readonly pushByDigest: boolean;
  /** Certificates of the registries are not checked, and plain HTTP is used where there is no TLS. */
  readonly insecure: boolean;
  readonly manifestAnnotations: Readonly<Record<string, string>>;
  readonly descriptorAnnotations: Readonly<Record<string, string>>;
}

const LEVELS: Readonly<Record<LayerCompression, readonly [number, number]>> = {
  gzip: [0, 9],
  zstd: [1, 22],
  uncompressed: [0, 0],
};

const PUSH_ATTRIBUTES = ["push", "push-by-digest", "registry.insecure"];

const IMAGE_ATTRIBUTES = [
  ...["name", "compression", "compression-level", "force-compression", "oci-mediatypes", "tar"],
  "rewrite-timestamp",
];

function usage(type: string, message: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `output type=${type}: ${message}`, { hint });
}

function quoted(value: string): string {
  return JSON.stringify(value);
}

/** `true`, `1`, … as Go's strconv.ParseBool takes them. */
function parseBoolean({ type, attrs }: ExportRequest, key: string, fallback: boolean): boolean {
  const value = attrs[key];
  if (value === undefined) return fallback;
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw usage(type, `${key}=${quoted(value)} is neither true nor false`);
}

function parseVariant({ type, attrs }: ExportRequest): CompressionVariant {
  const compression = attrs["compression"] ?? "gzip";
  if (compression !== "gzip" && compression !== "zstd" && compression !== "uncompressed") {
    throw usage(type, `compression=${quoted(compression)} is not known`, "gzip, zstd or uncompressed");
  }
  const text = attrs["compression-level"];
  if (text === undefined || compression === "uncompressed") return { compression };
  const [min, max] = LEVELS[compression];
  const level = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(level >= min && level <= max)) {
    throw usage(type, `compression-level=${quoted(text)} is not ${min} to ${max}`);
  }
  return { compression, level };
}

function annotations({ attrs }: ExportRequest, prefixes: readonly string[]): Record<string, string> {
  const found = Object.entries(attrs).flatMap(([key, value]) => {
    const prefix = prefixes.find((one) => key.startsWith(one));
    return prefix === undefined ? [] : [[key.slice(prefix.length), value] as const];
  });
  return Object.fromEntries(found);
}

function checkKnown({ type, attrs }: ExportRequest, known: readonly string[]): void {
  for (const key of Object.keys(attrs)) {
    if (/^annotation(-manifest|-manifest-descriptor)?\./.test(key) && known.includes("name")) continue;
    if (known.includes(key)) continue;
    throw usage(type, `unknown option ${quoted(key)}`, suggestion(key, known));
  }
}

function parseNames({ attrs }: ExportRequest): readonly string[] | undefined {
  const names = attrs["name"];
  if (names === undefined) return undefined;
  return names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => formatReference(parseReference(name)));
}

/** Reads the options of `oci`, `docker` and `image`. Throws TSB_USAGE. */
export function imageAttributes(request: ExportRequest): ImageAttributes {
  const pushes = request.type === "image" || request.type === "registry";
  checkKnown(request, pushes ? [...IMAGE_ATTRIBUTES, ...PUSH_ATTRIBUTES] : IMAGE_ATTRIBUTES);
  const pushByDigest = parseBoolean(request, "push-by-digest", false);
  const variant = parseVariant(request);
  // Docker's own types know no zstd; then all are OCI's.
  const ociDefault = request.type !== "docker" || variant.compression === "zstd";
  return {
    names: parseNames(request),
    ociTypes: parseBoolean(request, "oci-mediatypes", ociDefault),
    variant,
    force: parseBoolean(request, "force-compression", false),
    tar: parseBoolean(request, "tar", true),
    rewriteTimestamps: parseBoolean(request, "rewrite-timestamp", false),
    push: parseBoolean(request, "push", request.type === "registry" || pushByDigest),
    pushByDigest,
    insecure: parseBoolean(request, "registry.insecure", false),
    manifestAnnotations: annotations(request, ["annotation.", "annotation-manifest."]),
    descriptorAnnotations: annotations(request, ["annotation-manifest-descriptor."]),
  };
}

/** The first compression that these outputs ask of the layers as they are: what is worth doing while they are measured. */
export function wantedCompression(requests: readonly ExportRequest[]): CompressionVariant | undefined {
  return requests
    .filter(({ type }) => type === "oci" || type === "docker" || type === "registry")
    .map(imageAttributes)
    .find(({ variant, rewriteTimestamps }) => variant.compression !== "uncompressed" && !rewriteTimestamps)
    ?.variant;
}

export interface FileAttributes {
  /** Folders per platform, also when there is one. */
  readonly split: boolean | undefined;
  readonly mirror: boolean;
}

/** Reads the options of `local` and `tar`. Throws TSB_USAGE. */
export function fileAttributes(request: ExportRequest): FileAttributes {
  checkKnown(request, request.type === "local" ? ["platform-split", "mode"] : ["platform-split"]);
  const mode = request.attrs["mode"] ?? "copy";
  if (mode !== "copy" && mode !== "delete") {
    throw usage(request.type, `mode=${quoted(mode)} is not known`, "copy or delete");
  }
  const split = request.attrs["platform-split"];
  return {
    split: split === undefined ? undefined : parseBoolean(request, "platform-split", false),
    mirror: mode === "delete",
  };
}
