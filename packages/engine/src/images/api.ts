import type { DiffId, Digest, Platform } from "@tsbuild/base";
import type { ContainerConfig } from "@tsbuild/oci";
import type { SpdxDocument } from "@tsbuild/sbom";
import type { ImageSummary } from "../api.ts";
import type { ImageDifference } from "./anatomy/index.ts";
import type { ImageAnatomy } from "./anatomy/types.ts";

/** What `docker inspect` tells of an image, in its form. Times are RFC 3339, sizes bytes. */
export interface ImageDetails {
  readonly Id: Digest;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Comment: string;
  readonly Created: string;
  readonly Author: string;
  readonly Architecture: string;
  readonly Variant?: string | undefined;
  readonly Os: string;
  /** Of the layers' tars; of their blobs for an image that is not unpacked. */
  readonly Size: number;
  readonly RootFS: { readonly Type: "layers"; readonly Layers: readonly DiffId[] };
  readonly Metadata: { readonly LastTagTime: string };
  readonly Config: ContainerConfig;
}

/** An instruction that an image was made by. */
export interface ImageStep {
  readonly created?: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly author?: string | undefined;
  /** Of the layer that it made; none of an instruction that changed the config alone. */
  readonly diffId?: DiffId | undefined;
  /** Bytes of the layer's tar (of its blob when it is not unpacked); 0 without a layer. */
  readonly sizeBytes: number;
}

export interface RemovedImage {
  readonly untagged: readonly string[];
  /** ID of the image when its last name went. */
  readonly deleted?: Digest | undefined;
}

/** An image that came from or went to a registry. */
export interface MovedImage {
  /** As people write it. */
  readonly name: string;
  /** Of the manifest that the registry has. */
  readonly manifest: Digest;
}

/** An image that came from an archive. */
export interface LoadedImage {
  readonly imageId: Digest;
  /** As people write them; none: it is known by its ID only. */
  readonly names: readonly string[];
}

export interface PullOptions {
  /** Default: the machine's. Of several, and of all, the name stands for an index. */
  readonly platforms?: readonly Platform[] | "all" | undefined;
  readonly signal: AbortSignal;
}

export interface SaveOptions {
  /** Undefined is standard output. */
  readonly dest?: string | undefined;
  /** Of an image for several; default: all of them. */
  readonly platform?: Platform | undefined;
  readonly signal: AbortSignal;
}

export interface LoadOptions {
  /** Of an archive with several per name; default: all that are in it. */
  readonly platform?: Platform | undefined;
  /** Instead of what the archive says; for one image. */
  readonly name?: string | undefined;
  readonly signal: AbortSignal;
}

/** A manifest or index as its registry has it. */
export interface RemoteManifest {
  /** Normalised. */
  readonly name: string;
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Uint8Array;
}

export interface IndexAnnotation {
  readonly scope: "index" | "manifest-descriptor";
  /** `os/arch[/variant]`; default: of all. */
  readonly platform?: string | undefined;
  readonly key: string;
  readonly value: string;
}

export interface CreateIndexRequest {
  /** In registries; of images for one platform the last counts. */
  readonly sources: readonly string[];
  readonly names: readonly string[];
  /** What the first name stands for now comes before the sources. */
  readonly append: boolean;
  readonly annotations: readonly IndexAnnotation[];
  /** Default: all. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Nothing is pushed. */
  readonly dryRun: boolean;
}

export interface CreatedIndex {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly names: readonly string[];
}

export interface ImageSbom {
  readonly document: SpdxDocument;
  /** What is there and could not be read; the document says so, too. */
  readonly notes: readonly string[];
}

/** The images of the local store. Words for an image are a name, an ID, a digest, or the beginning of an ID. */
export interface LocalImages {
  inspect(image: string): ImageDetails;
  /** Newest first, as docker history. */
  steps(image: string): readonly ImageStep[];
  /** Sizes by layer and step, and what could be smaller. Every layer is read. */
  anatomy(image: string, options: { readonly signal: AbortSignal }): Promise<ImageAnatomy>;
  /** What `image` has otherwise than `other`. */
  difference(
    image: string,
    other: string,
    options: { readonly signal: AbortSignal },
  ): Promise<ImageDifference>;
  /** What is installed in an image, in SPDX 2.3. */
  sbom(image: string, options: { readonly signal: AbortSignal }): Promise<ImageSbom>;
  /** Another name for an image; what had it before loses it. */
  tag(image: string, name: string): void;
  /** Takes a name away; by ID all of them, which needs `force` when there are several. */
  remove(image: string, options: { readonly force: boolean }): RemovedImage;
  /** Takes away the names, and images without one, that `goes` says. Their files go with the next prune of the state folder. */
  prune(goes: (image: ImageSummary) => boolean): readonly RemovedImage[];
  /** Fetches an image anew and unpacks it. Default platform: the machine's. */
  pull(name: string, options: PullOptions): Promise<MovedImage>;
  /** The names that images have in the repository of this name. Throws TSB_RESOLVE when there are none. */
  tagsOf(repository: string): readonly string[];
  /** A pulled image arrives as it came, byte for byte. */
  push(name: string, options: { readonly signal: AbortSignal }): Promise<MovedImage>;
  /** One archive of several images, in docker save's form; a name that stands for an index is all of it. */
  save(images: readonly string[], options: SaveOptions): Promise<void>;
  /** All images of an archive: docker save's (old and new) or a tar of an OCI layout, compressed or not. Throws TSB_INTEGRITY. */
  load(source: AsyncIterable<Uint8Array>, options: LoadOptions): Promise<readonly LoadedImage[]>;
  /** Asks the registry of a name; the local store is left alone. */
  remote(name: string, options: { readonly signal: AbortSignal }): Promise<RemoteManifest>;
  /** An index of images that registries have, made and kept there. */
  createIndex(request: CreateIndexRequest, options: { readonly signal: AbortSignal }): Promise<CreatedIndex>;
  /** The root filesystem of an image as a tar; `dest` undefined is standard output. */
  export(
    image: string,
    options: { readonly dest?: string | undefined; readonly signal: AbortSignal },
  ): Promise<void>;
}
