import { parseTruth, suggestion, TsbuildError } from "@tsbuild/base";
import {
  type CompressionVariant,
  formatReference,
  type LayerCompression,
  parseReference,
} from "@tsbuild/oci";
import { type Annotation, isAnnotation, parseAnnotations } from "./annotations.ts";
import { isLoad } from "./load-output.ts";
import type { ExportRequest } from "./types.ts";

/** The options of an image output (X010), read and checked. */
export interface ImageAttributes {
  /** Normalised; undefined: the image's own names. */
  readonly names: readonly string[] | undefined;
  readonly ociTypes: boolean;
  readonly variant: CompressionVariant;
  /** The gzip is eStargz: other diff IDs, since the table of contents is a file of the layer. */
  readonly estargz: boolean;
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
  readonly annotations: readonly Annotation[];
  /** Attestation manifests are artifacts of image-spec 1.1; else they have the form of an image (X027). */
  readonly ociArtifact: boolean;
  /** Where what is claimed of the images goes: into an index of them, or beside them as referrers, which leaves them as they are. */
  readonly attestAs: "index" | "referrers";
  /** X011: in the local store as well. */
  readonly store: boolean;
  /** There also under NAME@DIGEST. */
  readonly nameCanonical: boolean;
  /** What an image without a name is called there: PREFIX@DIGEST. */
  readonly danglingPrefix: string | undefined;
}

const LEVELS: Readonly<Record<LayerCompression, readonly [number, number]>> = {
  gzip: [0, 9],
  zstd: [0, 22],
  uncompressed: [0, 0],
};

const PUSH_ATTRIBUTES = [
  ...["push", "push-by-digest", "registry.insecure", "attest-as"],
  ...["store", "unpack", "name-canonical", "dangling-name-prefix"],
];

const IMAGE_ATTRIBUTES = [
  ...["name", "compression", "compression-level", "force-compression", "oci-mediatypes", "tar"],
  ...["rewrite-timestamp", "oci-artifact"],
];

function usage(type: string, message: string, hint?: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `output type=${type}: ${message}`, { hint });
}

function quoted(value: string): string {
  return JSON.stringify(value);
}

function parseBoolean({ type, attrs }: ExportRequest, key: string, fallback: boolean): boolean {
  const value = attrs[key];
  if (value === undefined) return fallback;
  const truth = parseTruth(value);
  if (truth !== undefined) return truth;
  throw usage(type, `${key}=${quoted(value)} is neither true nor false`);
}

function gzipVariant(request: ExportRequest): CompressionVariant {
  return parseVariant({ ...request, attrs: { ...request.attrs, compression: "gzip" } });
}

function parseVariant(request: ExportRequest): CompressionVariant {
  const { type, attrs } = request;
  // What goes into an engine of this machine is unpacked there at once.
  const compression = attrs["compression"] ?? (isLoad(request) ? "uncompressed" : "gzip");
  if (compression === "estargz") return gzipVariant(request);
  if (compression !== "gzip" && compression !== "zstd" && compression !== "uncompressed") {
    throw usage(
      type,
      `compression=${quoted(compression)} is not known`,
      "gzip, estargz, zstd or uncompressed",
    );
  }
  const text = attrs["compression-level"];
  if (text === undefined || compression === "uncompressed") return { compression };
  const [min, max] = LEVELS[compression];
  const level = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(level >= min && level <= max)) {
    throw usage(type, `compression-level=${quoted(text)} is not ${min} to ${max}`);
  }
  // BuildKit's zstd has a fastest level below 3, which 0 is, too; to libzstd 0 is the default.
  return { compression, level: compression === "zstd" ? Math.max(level, 1) : level };
}

function checkKnown({ type, attrs }: ExportRequest, known: readonly string[]): void {
  for (const key of Object.keys(attrs)) {
    if (isAnnotation(key) && known.includes("name")) continue;
    if (known.includes(key)) continue;
    const hint = known.length === 0 ? "it takes none" : suggestion(key, known);
    throw usage(type, `unknown option ${quoted(key)}`, hint);
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

function parseAttestAs({ type, attrs }: ExportRequest): ImageAttributes["attestAs"] {
  const value = attrs["attest-as"] ?? "index";
  if (value === "index" || value === "referrers") return value;
  throw usage(type, `attest-as=${quoted(value)} is not known`, "index or referrers");
}

/** What others' exporters have and this one does not, with the reason; `false` and the like are what is done anyway. */
const REFUSED: Readonly<Record<string, string>> = {
  "prefer-nondist-layers": "layers that may not be distributed are those of Windows",
  "attestation-inline": "attestations go in whole, or not at all (--attest)",
  "compatibility-version": "there is one form, that of 30",
};

/** Values of them that say what is done anyway. */
const DONE: Readonly<Record<string, string>> = { "compatibility-version": "30" };

function checkRefused({ type, attrs }: ExportRequest): void {
  for (const [key, why] of Object.entries(REFUSED)) {
    const value = attrs[key];
    if (value === undefined || value === DONE[key] || parseTruth(value) === false) continue;
    throw new TsbuildError(
      "TSB_UNSUPPORTED",
      `output type=${type}: ${key}=${value} is not supported: ${why}`,
      {
        hint: `leave ${key} out`,
      },
    );
  }
}

function knownAttributes(request: ExportRequest): readonly string[] {
  const pushes = request.type === "image" || request.type === "registry";
  return [
    ...IMAGE_ATTRIBUTES,
    ...Object.keys(REFUSED),
    ...(pushes ? PUSH_ATTRIBUTES : []),
    ...(isLoad(request) ? ["context"] : []),
  ];
}

/** Docker's documents have no annotations, which eStargz lives on, and no artifacts. */
function checkTypes(request: ExportRequest): void {
  if (parseBoolean(request, "oci-mediatypes", true)) return;
  const artifact = parseBoolean(request, "oci-artifact", false) ? "oci-artifact=true" : undefined;
  const wants = request.attrs["compression"] === "estargz" ? "compression=estargz" : artifact;
  if (wants === undefined) return;
  throw usage(request.type, `${wants} and oci-mediatypes=false contradict each other`, "keep one of them");
}

/** Reads the options of `oci`, `docker` and `image`. Throws TSB_USAGE, TSB_UNSUPPORTED. */
export function imageAttributes(request: ExportRequest): ImageAttributes {
  checkKnown(request, knownAttributes(request));
  checkRefused(request);
  const pushByDigest = parseBoolean(request, "push-by-digest", false);
  const push = parseBoolean(request, "push", request.type === "registry" || pushByDigest);
  if (request.type === "registry" && !push)
    throw usage("registry", "push=false leaves nothing to do", "for the local store: type=image");
  const variant = parseVariant(request);
  // Layers here are always unpacked.
  parseBoolean(request, "unpack", true);
  // Docker itself reads zstd by OCI's types only.
  const ociDefault = request.type !== "docker" || variant.compression === "zstd";
  checkTypes(request);
  return {
    names: parseNames(request),
    ociTypes: parseBoolean(request, "oci-mediatypes", ociDefault),
    variant,
    estargz: request.attrs["compression"] === "estargz",
    force: parseBoolean(request, "force-compression", false),
    tar: parseBoolean(request, "tar", true),
    rewriteTimestamps: parseBoolean(request, "rewrite-timestamp", false),
    push,
    pushByDigest,
    insecure: parseBoolean(request, "registry.insecure", false),
    annotations: parseAnnotations(request),
    ociArtifact: parseBoolean(request, "oci-artifact", false),
    attestAs: parseAttestAs(request),
    store: parseBoolean(request, "store", true),
    nameCanonical: parseBoolean(request, "name-canonical", false),
    danglingPrefix: request.attrs["dangling-name-prefix"],
  };
}

/** Throws for options that no output takes, before hours are spent on what they are about. */
export function checkOutputs(requests: readonly ExportRequest[]): void {
  for (const request of requests) {
    if (request.type === "local" || request.type === "tar") fileAttributes(request);
    else if (request.type === "cacheonly") checkKnown(request, []);
    else imageAttributes(request);
  }
}

/** All outputs that have layers want their times cut off: then the image itself may have it so. */
export function clampsAll(requests: readonly ExportRequest[]): boolean {
  const layered = requests.filter(({ type }) => ["oci", "docker", "registry", "image"].includes(type));
  return (
    layered.length > 0 && layered.map(imageAttributes).every(({ rewriteTimestamps }) => rewriteTimestamps)
  );
}

/** Whether an output takes layers as somebody else has made them, from wherever they are. */
export function takesAsItComes(request: ExportRequest): boolean {
  if (!["oci", "docker", "registry", "image"].includes(request.type) || isLoad(request)) return false;
  const { force, rewriteTimestamps, estargz, push } = imageAttributes(request);
  return !force && !rewriteTimestamps && !estargz && (request.type !== "image" || push);
}

/** The first compression that these outputs ask of the layers as they are: what is worth doing while they are measured. */
export function wantedCompression(requests: readonly ExportRequest[]): CompressionVariant | undefined {
  const clamped = clampsAll(requests);
  return (
    requests
      .filter(({ type }) => type === "oci" || type === "docker" || type === "registry" || type === "image")
      .map((request) => ({ ...imageAttributes(request), isImage: request.type === "image" }))
      // The local store takes layers as they are.
      .filter(({ estargz, isImage, push }) => !estargz && (!isImage || push))
      .find(
        ({ variant, rewriteTimestamps }) =>
          variant.compression !== "uncompressed" && rewriteTimestamps === clamped,
      )?.variant
  );
}

export interface FileAttributes {
  /** Folders per platform, also when there is one. */
  readonly split: boolean | undefined;
  readonly mirror: boolean;
  /** What names of files with attestations begin with. */
  readonly attestationPrefix: string;
}

/** Reads the options of `local` and `tar`. Throws TSB_USAGE. */
export function fileAttributes(request: ExportRequest): FileAttributes {
  const known = ["platform-split", "attestation-prefix"];
  checkKnown(request, request.type === "local" ? [...known, "mode"] : known);
  const mode = request.attrs["mode"] ?? "copy";
  if (mode !== "copy" && mode !== "delete") {
    throw usage(request.type, `mode=${quoted(mode)} is not known`, "copy or delete");
  }
  const { "platform-split": split, "attestation-prefix": attestationPrefix = "" } = request.attrs;
  if (attestationPrefix.includes("/")) throw usage(request.type, "attestation-prefix is no path");
  return {
    attestationPrefix,
    split: split === undefined ? undefined : parseBoolean(request, "platform-split", false),
    mirror: mode === "delete",
  };
}
