import type { ImageConfig, Index, Manifest } from "../types.ts";

/** Order of known keys, as image-spec's own documents have it; all other keys follow, sorted. */
const ORDER: readonly string[] = [
  ...[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "digest",
    "size",
    "urls",
    "config",
    "layers",
    "manifests",
  ],
  ...["subject", "annotations", "platform", "data"],
  ...["created", "created_by", "author", "comment", "empty_layer"],
  ...["architecture", "os", "os.version", "os.features", "variant", "rootfs", "history", "type", "diff_ids"],
];

/** Fields whose keys are names that users chose: sorted, whatever they look like. */
const MAPS = new Set(["annotations", "Labels", "ExposedPorts", "Volumes"]);

function rank(key: string): number {
  const index = ORDER.indexOf(key);
  return index < 0 ? ORDER.length : index;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function ordered(value: unknown, compare: (a: string, b: string) => number): unknown {
  if (Array.isArray(value)) return value.map((item) => ordered(item, compare));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => compare(a, b))
    .map(([key, field]) => [key, ordered(field, MAPS.has(key) ? compareText : compare)] as const);
  // Keys that are numbers come first in any object of JavaScript: an order of its own, but always the same.
  return Object.fromEntries(entries);
}

/** JSON with all keys sorted and no white space: equal values give equal bytes. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(ordered(value, compareText));
}

function documentBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(ordered(value, (a, b) => rank(a) - rank(b) || compareText(a, b))));
}

/** Bytes of a document: known keys in the order of image-spec, others sorted behind them. Equal documents, equal bytes. */
export function serializeManifest(manifest: Manifest): Buffer {
  return documentBytes(manifest);
}

export function serializeIndex(index: Index): Buffer {
  return documentBytes(index);
}

export function serializeImageConfig(config: ImageConfig): Buffer {
  return documentBytes(config);
}
