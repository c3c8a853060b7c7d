import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  type Digest,
  digestHex,
  errnoCode,
  formatPlatform,
  limits,
  type Platform,
  sha256,
  TsbuildError,
} from "@tsbuild/base";
import { isIndexType, parseIndex, parseManifestOrIndex } from "../documents/manifest.ts";
import { imageManifests, selectPlatform } from "../documents/platform.ts";
import type { Descriptor, Index, Manifest } from "../types.ts";

/** Which image of a layout is meant; neither: the only one. */
export interface LayoutSelector {
  readonly tag?: string | undefined;
  readonly digest?: Digest | undefined;
}

export interface LayoutImage {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
}

const REF_NAME = "org.opencontainers.image.ref.name";
const IMAGE_NAME = "io.containerd.image.name";

function readBounded(path: string): Buffer {
  try {
    const stat = statSync(path);
    // A pipe in its place would be waited for.
    if (!stat.isFile()) throw new TsbuildError("TSB_INTEGRITY", `${path} is not a file`);
    if (stat.size > limits.manifestBytes) {
      throw new TsbuildError("TSB_INTEGRITY", `${path} is longer than ${limits.manifestBytes} bytes`);
    }
    return readFileSync(path);
  } catch (error) {
    if (error instanceof TsbuildError) throw error;
    const why = errnoCode(error) === "ENOENT" ? "it is not there" : String(error);
    throw new TsbuildError("TSB_RESOLVE", `cannot read ${path}: ${why}`, {
      hint: "an OCI layout is a folder with oci-layout, index.json and blobs/",
      cause: error,
    });
  }
}

/** A folder in the form of image-spec image-layout.md. Nothing in it is trusted: digests and sizes are checked. */
export class ImageLayout {
  readonly folder: string;
  readonly index: Index;

  /** Throws TSB_RESOLVE when there is no layout, TSB_INTEGRITY when its index is malformed. */
  constructor(folder: string) {
    this.folder = folder;
    const path = join(folder, "index.json");
    this.index = parseIndex(readBounded(path), path);
  }

  blobPath(digest: Digest): string {
    return join(this.folder, "blobs/sha256", digestHex(digest));
  }

  /** A manifest, index or config; verified. */
  readDocument(descriptor: Pick<Descriptor, "digest">): Buffer {
    const path = this.blobPath(descriptor.digest);
    const bytes = readBounded(path);
    const found = sha256(bytes);
    if (found !== descriptor.digest) {
      throw new TsbuildError("TSB_INTEGRITY", `${path} has the digest ${found}, not that of its name`);
    }
    return bytes;
  }

  /** The top-level entry that is meant. Throws TSB_RESOLVE naming what there is. */
  find(selector: LayoutSelector): Descriptor {
    const { tag, digest } = selector;
    const images = imageManifests(this.index);
    const matching = images.filter(
      (image) =>
        (digest === undefined || image.digest === digest) &&
        (tag === undefined || digest !== undefined || hasTag(image, tag)),
    );
    const distinct = new Set(matching.map((image) => image.digest));
    const [first] = matching;
    if (first !== undefined && (distinct.size === 1 || tag !== undefined)) return first;
    throw this.#notFound(selector, distinct.size);
  }

  #notFound({ tag, digest }: LayoutSelector, found: number): TsbuildError {
    const wanted = digest ?? (tag === undefined ? "an image" : `the tag ${JSON.stringify(tag)}`);
    const tags = this.index.manifests.flatMap((entry) => entry.annotations?.[REF_NAME] ?? []);
    const why = found > 1 ? `${this.folder} holds ${found} images` : `${this.folder} does not hold ${wanted}`;
    return new TsbuildError("TSB_RESOLVE", why, {
      hint: tags.length === 0 ? "name the image by @sha256:…" : `it has the tags ${tags.join(", ")}`,
    });
  }

  /** The image manifest for `platform`, through nested indexes. Throws TSB_RESOLVE, TSB_INTEGRITY. */
  resolve(selector: LayoutSelector, platform: Platform): LayoutImage {
    let descriptor = this.find(selector);
    // An index in an index in an index is as deep as anyone has gone; more would be a loop.
    for (let depth = 0; depth < 4; depth++) {
      const document = parseManifestOrIndex(this.readDocument(descriptor), `manifest ${descriptor.digest}`);
      if (document.kind === "manifest") return { descriptor, manifest: document.manifest };
      descriptor = this.#pick(document.index, platform);
    }
    throw new TsbuildError("TSB_INTEGRITY", `${this.folder}: its indexes are nested too deep`);
  }

  #pick(index: Index, platform: Platform): Descriptor {
    const nested = imageManifests(index).find((entry) => isIndexType(entry.mediaType));
    const picked = selectPlatform(index, platform) ?? nested;
    if (picked !== undefined) return picked;
    const there = imageManifests(index).flatMap((entry) =>
      entry.platform === undefined ? [] : formatPlatform(entry.platform),
    );
    throw new TsbuildError("TSB_RESOLVE", `${this.folder} has no image for ${formatPlatform(platform)}`, {
      hint: `it has ${there.join(", ") || "none"}`,
    });
  }
}

function hasTag(descriptor: Descriptor, tag: string): boolean {
  const { [REF_NAME]: ref, [IMAGE_NAME]: name } = descriptor.annotations ?? {};
  return ref === tag || name === tag || (ref ?? "").endsWith(`:${tag}`);
}
