import { type Digest, type Platform, TsbuildError } from "@tsbuild/base";
import { type ImageConfig, parseReference } from "@tsbuild/oci";
import type { ImageResolver, ResolvedImage } from "../api.ts";

/** What a file of canned images says of one name. */
export interface CannedImage {
  readonly image?: ImageConfig;
  readonly digest?: Digest;
  readonly error?: string;
}

/** Answers from a table instead of a registry, looked up by full reference, by name without tag, and at last by `*`. */
export class CannedImages implements ImageResolver {
  readonly #images: Readonly<Record<string, CannedImage>>;

  constructor(images: Readonly<Record<string, CannedImage>>) {
    this.#images = images;
  }

  async resolve(name: string, { platform }: { readonly platform: Platform }): Promise<ResolvedImage> {
    const { host, repository } = parseReference(name);
    const canned = this.#images[name] ?? this.#images[`${host}/${repository}`] ?? this.#images["*"];
    if (canned?.image === undefined)
      throw new TsbuildError("TSB_RESOLVE", canned?.error ?? `there is no canned image for ${name}`);
    const config = structuredClone(canned.image);
    if (!config.architecture) {
      config.os = platform.os;
      config.architecture = platform.architecture;
      if (platform.variant) config.variant = platform.variant;
    }
    return { config, ...(canned.digest === undefined ? {} : { digest: canned.digest }) };
  }
}
