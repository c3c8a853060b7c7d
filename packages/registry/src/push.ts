import { type Digest, TsbuildError } from "@tsbuild/base";
import { formatReference, type ImageReference } from "@tsbuild/oci";
import type { CallOptions, FetchedManifest } from "./manifests.ts";

/** What a push of blobs and manifests needs of a client. */
export interface PushRequest {
  readonly reference: ImageReference;
  /** Children first; the last one is what the names are for. */
  readonly manifests: readonly FetchedManifest[];
  /** Tags for the last manifest; none: it is reachable by its digest only. */
  readonly tags: readonly string[];
}

export type PutManifest = (
  manifest: FetchedManifest,
  options: CallOptions & { readonly name: string; readonly what: string },
) => Promise<unknown>;

/**
 * Manifests in their order by digest, then the names: until the last request nobody finds anything that is not whole (R007). Blobs are
 * there already.
 */
export async function pushManifests(
  request: PushRequest,
  put: PutManifest,
  options: CallOptions,
): Promise<Digest> {
  const { reference, manifests, tags } = request;
  const root = manifests.at(-1);
  if (root === undefined) throw new Error("assertion failed: a push has a manifest");
  const { digest: _digest, ...repository } = reference;
  for (const manifest of manifests) {
    const named = manifest === root && tags.length > 0;
    const names = named ? tags : [manifest.digest];
    for (const name of names) {
      const shown = formatReference(
        named ? { ...repository, tag: name } : { ...repository, tag: undefined, digest: manifest.digest },
      );
      await put(manifest, { ...options, name, what: `pushing ${shown}` }).catch((error: unknown) => {
        throw asPushFailure(error);
      });
    }
  }
  return root.digest;
}

/** What cannot be found when pulling could not be stored when pushing: another exit status, and other advice. */
export function asPushFailure(error: unknown): unknown {
  if (!(error instanceof TsbuildError) || error.code !== "TSB_RESOLVE") return error;
  const hint =
    error.hint === "check the name and the tag"
      ? "does the repository exist, and may you push to it?"
      : error.hint;
  return new TsbuildError("TSB_EXPORT", error.message, { hint, cause: error });
}
