import { isDigest, limits, TsbuildError } from "@tsbuild/base";
import { type Descriptor, type DescriptorPlatform, type Index, type Manifest, mediaTypes } from "../types.ts";
import { type Fields, Fields as FieldsOf, parseObject, present } from "./json.ts";

const MAX_INDEX_ENTRIES = 10_000;

function parsePlatform(fields: Fields): DescriptorPlatform {
  return present<DescriptorPlatform>({
    architecture: fields.requiredString("architecture"),
    os: fields.requiredString("os"),
    variant: fields.string("variant"),
    "os.version": fields.string("os.version"),
    "os.features": fields.strings("os.features"),
  });
}

/** image-spec descriptor.md. */
function parseDescriptor(fields: Fields): Descriptor {
  const digest = fields.requiredString("digest");
  if (!isDigest(digest))
    throw fields.fail("digest", `${JSON.stringify(digest)} is not sha256:<64 hex digits>`);
  const size = fields.integer("size");
  if (size === undefined) throw fields.fail("size", "missing");
  const platform = fields.object("platform");
  return present<Descriptor>({
    mediaType: fields.requiredString("mediaType"),
    digest,
    size,
    urls: fields.strings("urls"),
    annotations: fields.stringMap("annotations"),
    platform: platform === undefined ? undefined : parsePlatform(platform.fields),
    artifactType: fields.string("artifactType"),
    data: fields.string("data"),
  });
}

function requireSchema(fields: Fields): void {
  const version = fields.integer("schemaVersion");
  if (version === 2) return;
  if (version === 1) {
    throw new TsbuildError(
      "TSB_UNSUPPORTED",
      "the image has a manifest of schema 1, which nobody makes since 2017",
      {
        hint: "push the image anew with a current tool",
      },
    );
  }
  throw fields.fail("schemaVersion", "not 2");
}

function descriptors(fields: Fields, key: string, max: number): Descriptor[] {
  const found = fields.objects(key, max);
  if (found === undefined) throw fields.fail(key, "missing");
  return found.map((item) => parseDescriptor(item.fields));
}

function optionalDescriptor(fields: Fields, key: string): Descriptor | undefined {
  const found = fields.object(key);
  return found === undefined ? undefined : parseDescriptor(found.fields);
}

/** An image manifest (image-spec manifest.md, or Docker's V2 schema 2) from untrusted bytes. Throws TSB_INTEGRITY. */
export function parseManifest(bytes: Uint8Array, what = "image manifest"): Manifest {
  const fields = new FieldsOf(parseObject(bytes, what), what);
  requireSchema(fields);
  const config = optionalDescriptor(fields, "config");
  if (config === undefined) throw fields.fail("config", "missing");
  return present<Manifest>({
    schemaVersion: 2,
    mediaType: fields.string("mediaType"),
    artifactType: fields.string("artifactType"),
    config,
    layers: descriptors(fields, "layers", limits.layers),
    subject: optionalDescriptor(fields, "subject"),
    annotations: fields.stringMap("annotations"),
  });
}

/** An image index (image-spec image-index.md, or Docker's manifest list) from untrusted bytes. Throws TSB_INTEGRITY. */
export function parseIndex(bytes: Uint8Array, what = "image index"): Index {
  const fields = new FieldsOf(parseObject(bytes, what), what);
  requireSchema(fields);
  return present<Index>({
    schemaVersion: 2,
    mediaType: fields.string("mediaType"),
    manifests: descriptors(fields, "manifests", MAX_INDEX_ENTRIES),
    annotations: fields.stringMap("annotations"),
  });
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerIndex;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest;
}

/** Parses either kind: by `mediaType` in the document, else by its fields (a manifest that claims to be both is refused). */
export function parseManifestOrIndex(
  bytes: Uint8Array,
  what = "image manifest",
):
  | { readonly kind: "index"; readonly index: Index }
  | { readonly kind: "manifest"; readonly manifest: Manifest } {
  const object = parseObject(bytes, what);
  const hasManifests = Object.hasOwn(object, "manifests");
  const hasLayers = Object.hasOwn(object, "layers") || Object.hasOwn(object, "config");
  const fields = new FieldsOf(object, what);
  if (hasManifests && hasLayers) throw fields.fail("manifests", "a manifest cannot be an index as well");
  const mediaType = fields.string("mediaType");
  if (
    mediaType !== undefined &&
    isIndexType(mediaType) !== hasManifests &&
    (isIndexType(mediaType) || isManifestType(mediaType))
  ) {
    throw fields.fail("mediaType", `${JSON.stringify(mediaType)} does not fit the fields`);
  }
  return hasManifests
    ? { kind: "index", index: parseIndex(bytes, what) }
    : { kind: "manifest", manifest: parseManifest(bytes, what) };
}
