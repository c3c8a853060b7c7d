import { createReadStream, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Digest, digestHex, errnoCode, isDigest, limits, TsbuildError } from "@tsbuild/base";
import { type Descriptor, type ImageReference, parseIndex } from "@tsbuild/oci/documents";
import type { RegistryClient } from "@tsbuild/registry";

/** Bytes of a manifest or index with their type. */
export interface OriginManifest {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

/** Where an image's documents and layers come from: a registry, or a layout on disk. */
export interface Origin {
  /** For messages and memos: `docker.io/library/debian:bookworm`. */
  readonly name: string;
  /** The repository that the blobs come from: to another one on its host they can be mounted. */
  readonly repository?: { readonly host: string; readonly repository: string } | undefined;
  /** What the name stands for now, asked for in a way that rate limits do not count; undefined when it is not told. */
  head?(signal: AbortSignal | undefined): Promise<Digest | undefined>;
  manifest(digest: Digest | undefined, signal: AbortSignal | undefined): Promise<OriginManifest>;
  /** Who reads is done with a piece when it asks for the next. */
  blob(blob: Descriptor, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

export function registryOrigin(client: RegistryClient, reference: ImageReference, name: string): Origin {
  const at = (digest: Digest | undefined): ImageReference =>
    digest === undefined ? reference : { ...reference, digest };
  return {
    name,
    repository: { host: reference.host, repository: reference.repository },
    head: (signal) => headOf(client, reference, signal),
    manifest: (digest, signal) => client.manifest(at(digest), { signal }),
    blob: (blob, signal) => client.blob(reference, blob, { signal, reuse: true }),
  };
}

async function headOf(
  client: RegistryClient,
  reference: ImageReference,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  try {
    return (await client.head(reference, { signal }))?.digest;
  } catch (error) {
    // Some registries and mirrors know no HEAD, and a refusal has no words in an answer to one: what GET is answered is what counts.
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

interface LayoutName {
  readonly folder: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

/** Takes `path[:tag][@sha256:…]` apart (X002). */
function parseLayoutName(text: string): LayoutName {
  const at = text.lastIndexOf("@");
  const digest = at < 0 ? undefined : text.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw new TsbuildError(
      "TSB_USAGE",
      `oci-layout://${text}: the part after @ is not sha256:<64 hex digits>`,
    );
  }
  const rest = at < 0 ? text : text.slice(0, at);
  const colon = rest.lastIndexOf(":");
  const tagged = colon > rest.lastIndexOf("/");
  return {
    folder: tagged ? rest.slice(0, colon) : rest,
    tag: tagged ? rest.slice(colon + 1) : undefined,
    digest,
  };
}

/** `oci-layout://FOLDER[:TAG]` with an absolute folder and the digest that it stands for now. */
export function pinLayout(name: string): string {
  const { folder, tag, digest } = parseLayoutName(name.slice("oci-layout://".length));
  const absolute = resolve(folder);
  return `oci-layout://${absolute}@${digest ?? resolveTag(absolute, tag)}`;
}

/** An OCI layout folder as an origin. */
export function layoutOrigin(text: string): Origin {
  const { folder, tag, digest: pinned } = parseLayoutName(text);
  const path = (digest: Digest): string => join(folder, "blobs", "sha256", digestHex(digest));
  return {
    name: `oci-layout://${text}`,
    manifest: async (digest) => {
      const wanted = digest ?? pinned ?? resolveTag(folder, tag);
      return { digest: wanted, bytes: readLayout(folder, path(wanted)) };
    },
    blob: (blob) => createReadStream(checkedFile(path(blob.digest), Number.POSITIVE_INFINITY)),
  };
}

/** A layout may be a stranger's: a pipe in place of a blob would be waited for, a device never ends. Returns the path. */
function checkedFile(path: string, maxBytes: number): string {
  const stat = statSync(path);
  if (!stat.isFile()) throw new TsbuildError("TSB_INTEGRITY", `${path} is not a file`);
  if (stat.size > maxBytes)
    throw new TsbuildError("TSB_INTEGRITY", `${path} is longer than ${maxBytes} bytes`);
  return path;
}

function readLayout(folder: string, path: string): Uint8Array {
  try {
    return readFileSync(checkedFile(path, limits.manifestBytes));
  } catch (cause) {
    if (errnoCode(cause) !== "ENOENT") throw cause;
    throw new TsbuildError("TSB_RESOLVE", `${path} does not exist`, {
      hint: `is ${folder} an OCI layout folder?`,
      cause,
    });
  }
}

const REF_NAME = "org.opencontainers.image.ref.name";

/** The entry of index.json with this tag; without one, `latest` or the only entry there is. */
function resolveTag(folder: string, tag: string | undefined): Digest {
  const { manifests } = parseIndex(readLayout(folder, join(folder, "index.json")));
  const wanted = tag ?? "latest";
  const named = manifests.find((entry) => entry.annotations?.[REF_NAME] === wanted);
  const found = named ?? (tag === undefined && manifests.length === 1 ? manifests[0] : undefined);
  if (found !== undefined) return found.digest;
  const tags = manifests.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
  throw new TsbuildError("TSB_RESOLVE", `the OCI layout ${folder} has no tag ${JSON.stringify(wanted)}`, {
    hint: tags.length > 0 ? `it has ${tags.join(", ")}` : undefined,
  });
}
