import { type Digest, isDigest, TsbuildError } from "@tsbuild/base";

/** Media type of the document in a manifest (V037). */
export const CACHE_CONFIG_TYPE = "application/vnd.buildkit.cacheconfig.v0";
/** A folder of a cache mount, as a tar. BuildKit passes over what no record names. */
export const CACHE_MOUNT_TYPE = "application/vnd.tsbuild.cachemount.v1.tar+gzip";

export const UNCOMPRESSED = "containerd.io/uncompressed";
export const CREATED_AT = "buildkit/createdat";

/** What caches without a manifest (S3, GitHub) tell of a blob. */
export interface LayerAnnotations {
  readonly mediaType: string;
  readonly diffID: string;
  readonly size: number;
  readonly createdAt: string;
}

/** A layer on top of another; `parent` is a place in the list, -1 for the lowest. */
export interface CacheLayer {
  readonly blob: Digest;
  readonly parent: number;
  readonly annotations?: LayerAnnotations | undefined;
}

export interface RecordLink {
  readonly selector: string;
  /** Place in the list of records. */
  readonly link: number;
}

/** A key. `digest`: a root's own identity, else op and output number (see the solver's `portableOp`). */
export interface RecordEntry {
  readonly digest: Digest;
  /** Per input the keys that it may have. */
  readonly inputs: readonly (readonly RecordLink[])[];
  /** Topmost layer of the result, a place in the list of layers. */
  readonly results: readonly { readonly layer: number; readonly createdAt: string }[];
  /** Results whose layers are not in the order of the list's parents; all their layers, bottom first. */
  readonly chains: readonly { readonly layers: readonly number[]; readonly createdAt: string }[];
}

export interface MountEntry {
  readonly id: string;
  readonly blob: Digest;
  readonly size: number;
}

export interface CacheDocument {
  readonly layers: readonly CacheLayer[];
  readonly records: readonly RecordEntry[];
  /** Cache mounts (W005). Not BuildKit's, which reads past it. */
  readonly mounts: readonly MountEntry[];
}

/** So much is read of what strangers wrote: a document of a hundred thousand steps has 30 MB. */
export const documentLimits = {
  bytes: 64 * 1024 * 1024,
  records: 200_000,
  layers: 100_000,
  links: 2_000_000,
};

const MOUNTS_KEY = "dev.tsbuild.cacheMounts";

type Json = { readonly [key: string]: unknown };

function broken(what: string): TsbuildError {
  return new TsbuildError("TSB_INTEGRITY", `the cache's document is malformed: ${what}`);
}

function object(value: unknown, what: string): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw broken(`${what} is not an object`);
}

/** Go writes null for what is empty. */
function list(value: unknown, what: string, max: number): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw broken(`${what} is not a list`);
  if (value.length > max) throw broken(`${what} has more than ${max} entries`);
  return value;
}

function digest(value: unknown, what: string): Digest {
  if (typeof value === "string" && isDigest(value)) return value;
  throw broken(`${what} is not sha256:<64 hex digits>`);
}

/** A place in a list. Whether there is something is asked when it is used. */
function place(value: unknown, what: string, fallback?: number): number {
  const number = value ?? fallback;
  if (typeof number === "number" && Number.isSafeInteger(number) && number >= -1) return number;
  throw broken(`${what} is not a place in a list`);
}

function text(value: unknown, what: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw broken(`${what} is not text`);
  return value;
}

function parseLayer(value: unknown): CacheLayer {
  const fields = object(value, "a layer");
  const { annotations } = fields;
  return {
    blob: digest(fields["blob"], "a layer's blob"),
    // Go leaves out zeros.
    parent: place(fields["parent"], "a layer's parent", 0),
    ...(annotations === undefined || annotations === null
      ? {}
      : { annotations: parseAnnotations(annotations) }),
  };
}

function parseAnnotations(value: unknown): LayerAnnotations {
  const fields = object(value, "a layer's annotations");
  return {
    mediaType: text(fields["mediaType"], "mediaType"),
    diffID: text(fields["diffID"], "diffID"),
    size: place(fields["size"], "a layer's size", 0),
    createdAt: text(fields["createdAt"], "createdAt"),
  };
}

/** Counts the links of a whole document. */
interface Budget {
  links: number;
}

function parseInput(value: unknown, budget: Budget): readonly RecordLink[] {
  const links = list(value, "an input", budget.links);
  budget.links -= links.length;
  return links.map((item) => {
    const fields = object(item, "a link");
    return {
      selector: text(fields["selector"], "a selector"),
      link: place(fields["link"], "a link", 0),
    };
  });
}

function parseRecord(value: unknown, budget: Budget): RecordEntry {
  const fields = object(value, "a record");
  const results = list(fields["layers"], "a record's results", 1000).map((item) => object(item, "a result"));
  const chains = list(fields["chains"], "a record's chains", 1000).map((item) => object(item, "a chain"));
  return {
    digest: digest(fields["digest"], "a record's digest"),
    inputs: list(fields["inputs"], "a record's inputs", 10_000).map((input) => parseInput(input, budget)),
    results: results.map((result) => ({
      layer: place(result["layer"], "a result's layer", 0),
      createdAt: text(result["createdAt"], "createdAt"),
    })),
    chains: chains.map((chain) => ({
      layers: list(chain["layers"], "a chain", 1000).map((item) => place(item, "a chain's layer")),
      createdAt: text(chain["createdAt"], "createdAt"),
    })),
  };
}

function parseMount(value: unknown): MountEntry {
  const fields = object(value, "a cache mount");
  return {
    id: text(fields["id"], "a cache mount's id"),
    blob: digest(fields["blob"], "a cache mount's blob"),
    size: place(fields["size"], "a cache mount's size"),
  };
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > documentLimits.bytes) throw broken(`it is longer than ${documentLimits.bytes} bytes`);
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  } catch (cause) {
    throw new TsbuildError("TSB_INTEGRITY", "the cache's document is malformed: it is not JSON", { cause });
  }
}

/** Reads a document from untrusted bytes. Throws TSB_INTEGRITY. Places are not checked: see `ImportedGraph`. */
export function parseDocument(bytes: Uint8Array): CacheDocument {
  const fields = object(parseJson(bytes), "it");
  return {
    layers: list(fields["layers"], "layers", documentLimits.layers).map(parseLayer),
    records: parseRecordList(fields["records"]),
    mounts: list(fields[MOUNTS_KEY], "cache mounts", 1000).map(parseMount),
  };
}

function parseRecordList(value: unknown): RecordEntry[] {
  const budget = { links: documentLimits.links };
  return list(value, "records", documentLimits.records).map((item) => parseRecord(item, budget));
}

/** The records of an image (V030): its layers are those of the manifest, each on the one before. */
export function parseInlineRecords(value: string): RecordEntry[] {
  return parseRecordList(parseJson(Buffer.from(value, "base64")));
}

function recordJson({ digest: name, inputs, results, chains }: RecordEntry): object {
  return {
    ...(results.length === 0 ? {} : { layers: results }),
    ...(chains.length === 0 ? {} : { chains }),
    digest: name,
    ...(inputs.length === 0 ? {} : { inputs: inputs.map((links) => links.map(linkJson)) }),
  };
}

function linkJson({ selector, link }: RecordLink): object {
  return selector === "" ? { link } : { selector, link };
}

/** The bytes of a document; equal caches are equal bytes. */
export function serializeDocument({ layers, records, mounts }: CacheDocument): Uint8Array {
  const value = {
    layers,
    records: records.map(recordJson),
    ...(mounts.length === 0 ? {} : { [MOUNTS_KEY]: mounts }),
  };
  return Buffer.from(JSON.stringify(value), "utf8");
}

export function serializeInlineRecords(records: readonly RecordEntry[]): string {
  return Buffer.from(JSON.stringify(records.map(recordJson)), "utf8").toString("base64");
}
