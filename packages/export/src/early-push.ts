import { type CompressionVariant, type LayoutBlob, variantName } from "@tsbuild/oci";
import { type ImageAttributes, imageAttributes } from "./attributes.ts";
import { smallBlob } from "./image.ts";
import { knownBlob } from "./layers.ts";
import { Pushing, type PushingOptions } from "./pushing.ts";
import type { CommittedLayer, ExportRequest } from "./types.ts";

interface EarlyPush {
  readonly output: ExportRequest;
  readonly attributes: ImageAttributes;
  readonly pushing: Pushing;
}

/** Blobs of an image are what its commit makes of them: then they can go before it is whole. */
function takesCommitted(
  { variant, force, estargz, rewriteTimestamps }: ImageAttributes,
  compress: CompressionVariant | undefined,
): boolean {
  if (force || estargz || rewriteTimestamps || compress === undefined) return false;
  return variantName(variant) === variantName(compress);
}

interface EarlyOutputs {
  /** Those that are pushed. */
  readonly outputs: readonly ExportRequest[];
  /** Of the build, for outputs that have none. */
  readonly names: readonly string[];
  /** The form in which new layers are packed. */
  readonly compress: CompressionVariant | undefined;
}

/**
 * Sends the blobs of images that are being committed: a layer when it is packed, the config when it is known, while others are still packed and
 * the store writes. No manifest and no name; what goes wrong is told by the push of the output, which has all that was begun.
 */
export class EarlyPushes {
  readonly #opened: Promise<readonly EarlyPush[]>;
  readonly #options: PushingOptions;
  readonly #stop = new AbortController();

  constructor({ outputs, names, compress }: EarlyOutputs, options: PushingOptions) {
    this.#options = { ...options, signal: AbortSignal.any([options.signal, this.#stop.signal]) };
    const opening = outputs.map(async (output): Promise<EarlyPush | undefined> => {
      const attributes = imageAttributes(output);
      const { names: own = names } = attributes;
      if (own.length === 0 || !takesCommitted(attributes, compress)) return undefined;
      // Told by the push, which opens the same.
      const pushing = await Pushing.open(own, attributes, this.#options).catch(() => undefined);
      return pushing === undefined ? undefined : { output, attributes, pushing };
    });
    this.#opened = Promise.all(opening).then((opened) => opened.filter((one) => one !== undefined));
    this.#opened.catch(() => undefined);
  }

  /** Layers are being packed: there will be something to send (see `expectUploads`). */
  readonly packing = (): void => this.#each(({ pushing }) => void pushing.expectUploads());

  /** A layer that has just been packed. */
  readonly blob = (blob: LayoutBlob): void => this.#each(({ pushing }) => pushing.start(blob));

  /** A layer of an image, with its digests. What would have to be packed for an output first is left to that. */
  readonly layer = (layer: CommittedLayer): void =>
    this.#each(({ attributes, pushing }) => {
      const known = knownBlob({ layer, attributes, options: this.#options });
      if (known !== undefined) pushing.start(known.blob);
    });

  /** The config of an image. */
  readonly config = (bytes: Uint8Array): void => this.#each(({ pushing }) => pushing.start(smallBlob(bytes)));

  #each(work: (push: EarlyPush) => void): void {
    // What cannot be begun (a store that fails) the push meets as well.
    this.#opened.then((all) => all.forEach(work)).catch(() => undefined);
  }

  /** What has been begun for an output. */
  async of(output: ExportRequest): Promise<Pushing | undefined> {
    return (await this.#opened).find((one) => one.output === output)?.pushing;
  }

  /** Gives up what nobody waits for any more. */
  async end(): Promise<void> {
    this.#stop.abort();
    for (const { pushing } of await this.#opened.catch(() => [])) await pushing.settled();
  }
}
