import { type Digest, TsbuildError } from "@tsbuild/base";
import { formatReference, type ImageReference, parseReference } from "@tsbuild/oci/documents";
import type { PushBlob, RegistryClient } from "@tsbuild/registry";
import { blobSources, rememberSource, type Store } from "@tsbuild/store";
import { type ManifestBytes, type ManifestForm, openManifest, packageCache } from "./manifest.ts";
import type { CacheSource, CacheTarget, OutgoingBlob, SendOptions, Sent } from "./ports.ts";

export interface RegistryPlace {
  readonly ref: string;
  readonly insecure: boolean;
}

export type OpenRegistry = (options: {
  readonly insecureHosts: readonly string[];
}) => Promise<RegistryClient>;

function clientFor(open: OpenRegistry, { host }: ImageReference, insecure: boolean): Promise<RegistryClient> {
  return open({ insecureHosts: insecure ? [host] : [] });
}

/** `type=registry` of --cache-from: a cache, or an image with an inline cache. */
export function registrySource({ ref, insecure }: RegistryPlace, open: OpenRegistry): CacheSource {
  const reference = parseReference(ref);
  return {
    title: `registry ${formatReference(reference)}`,
    open: async (signal) => {
      const client = await clientFor(open, reference, insecure);
      const { bytes } = await client.manifest(reference, { signal });
      const { host, repository } = reference;
      const reader = {
        manifest: async (digest: Digest, stop: AbortSignal) =>
          (await client.manifest({ ...reference, digest }, { signal: stop })).bytes,
        blob: (blob: Parameters<RegistryClient["blob"]>[1], stop: AbortSignal | undefined) =>
          client.blob(reference, blob, { signal: stop }),
        has: ({ digest }: Parameters<RegistryClient["blob"]>[1], stop: AbortSignal | undefined) =>
          client.exists(reference, digest, { signal: stop }),
        repository: { host, repository },
      };
      return openManifest(bytes, reader, signal);
    },
  };
}

/** `type=registry` of --cache-to. */
export function registryTarget(
  place: RegistryPlace & ManifestForm,
  { store, open }: { readonly store: Store; readonly open: OpenRegistry },
): CacheTarget {
  const reference = parseReference(place.ref);
  if (reference.digest !== undefined)
    throw new TsbuildError(
      "TSB_USAGE",
      `--cache-to ${place.ref}: a cache is exported to a tag, not to a digest`,
    );
  return new RegistryTarget(reference, place, { store, open });
}

class RegistryTarget implements CacheTarget {
  readonly title: string;
  readonly parallelism = 3;
  readonly #reference: ImageReference;
  readonly #form: ManifestForm;
  readonly #store: Store;
  readonly #client: () => Promise<RegistryClient>;

  constructor(
    reference: ImageReference,
    place: RegistryPlace & ManifestForm,
    { store, open }: { readonly store: Store; readonly open: OpenRegistry },
  ) {
    this.title = `registry ${formatReference(reference)}`;
    this.#reference = reference;
    this.#form = place;
    this.#store = store;
    this.#client = () => clientFor(open, reference, place.insecure);
  }

  async send({ descriptor, open }: OutgoingBlob, { signal, onProgress }: SendOptions): Promise<Sent> {
    const { digest, size } = descriptor;
    const { host, repository } = this.#reference;
    const blob: PushBlob = { digest, size, open, mountFrom: blobSources(this.#store, host, digest) };
    const client = await this.#client();
    const pushed = await client.pushBlob(this.#reference, blob, { signal, onProgress });
    rememberSource(this.#store, { host, repository, digest });
    return pushed === "uploaded" ? "uploaded" : "present";
  }

  async finish(
    document: Parameters<CacheTarget["finish"]>[0],
    blobs: ReadonlyMap<Digest, OutgoingBlob>,
    signal: AbortSignal,
  ): Promise<void> {
    const client = await this.#client();
    const { config, manifest } = packageCache(document, blobs, this.#form);
    await client.pushBlob(this.#reference, inMemory(config), { signal });
    const tags = [this.#reference.tag ?? "latest"];
    await client.pushManifests({ reference: this.#reference, manifests: [manifest], tags }, { signal });
  }
}

function inMemory({ digest, bytes }: ManifestBytes): PushBlob {
  return {
    digest,
    size: bytes.length,
    open: async function* (offset) {
      yield bytes.subarray(offset);
    },
  };
}
