import { type Digest, digestHex, isDigest, suggestion, TsbuildError } from "@tsbuild/base";
import { familiarName, formatReference, type ImageReference, parseReference, shownName } from "@tsbuild/oci";
import type { ImageRecord, Store } from "@tsbuild/store";

/** The images that words of a command line stand for. */
export interface FoundImage {
  readonly record: ImageRecord;
  /** Said by name (then only that name is meant), or by ID or digest. */
  readonly by: "name" | "id";
}

/** The name under which an image is stored that was built without one. */
export function isNameless({ name, config }: ImageRecord): boolean {
  return shownName(name) === config;
}

/** All records of the image with this ID, in order of their names. */
export function recordsOf(store: Store, config: Digest): readonly ImageRecord[] {
  return store.images.list().filter((record) => record.config === config);
}

/**
 * Looks an image up by name (`app`, `app:1`, `app@sha256:…`), ID, digest, or the beginning of an ID. A name wins over an ID, as with
 * docker. Throws TSB_RESOLVE, TSB_USAGE for a beginning that several images have.
 */
export function findImage(store: Store, text: string): FoundImage {
  const found = lookUpImage(store, text);
  if (found === undefined) throw notFound(store, text);
  return found;
}

/** The same, undefined for an image that is not here. */
export function lookUpImage(store: Store, text: string): FoundImage | undefined {
  const named = byName(store, text);
  if (named !== undefined) return { record: named, by: "name" };
  const hex = /^(?:sha256:)?([0-9a-f]{2,64})$/.exec(text)?.[1];
  const found = hex === undefined ? [] : byPrefix(store, hex);
  if (new Set(found.map((record) => record.config)).size > 1) {
    throw new TsbuildError("TSB_USAGE", `several images have an ID that begins with ${text}`, {
      hint: `write more of it: ${[...new Set(found.map((record) => digestHex(record.config)))].join(", ")}`,
    });
  }
  const [record] = found;
  return record === undefined ? undefined : { record, by: "id" };
}

function byPrefix(store: Store, hex: string): ImageRecord[] {
  return store.images
    .list()
    .filter(({ config, manifest, index }) =>
      [config, manifest, ...(index === undefined ? [] : [index.digest])].some((digest) =>
        digestHex(digest).startsWith(hex),
      ),
    );
}

function parsed(text: string): ImageReference | undefined {
  // What begins like a digest is one, or the beginning of one.
  if (text.startsWith("sha256:")) return undefined;
  return parseReference(text);
}

function byName(store: Store, text: string): ImageRecord | undefined {
  if (isDigest(text)) return undefined;
  const reference = parsed(text);
  if (reference === undefined) return undefined;
  const exact = store.images.get(formatReference(reference));
  if (exact !== undefined || reference.digest === undefined) return exact;
  const repository = `${reference.host}/${reference.repository}`;
  return store.images.list().find((record) => {
    const { host, repository: path } = parseReference(record.name);
    return record.manifest === reference.digest && `${host}/${path}` === repository;
  });
}

function notFound(store: Store, text: string): TsbuildError {
  const names = store.images
    .list()
    .filter((record) => !isNameless(record))
    .map((record) => shownName(record.name));
  const wanted = text.startsWith("sha256:") ? text : familiarName(parseReference(text));
  return new TsbuildError("TSB_RESOLVE", `no image ${JSON.stringify(text)} here`, {
    hint:
      names.length > 0
        ? suggestion(wanted, names)
        : "there are no images yet: tsbuild build, pull or import makes some",
  });
}
