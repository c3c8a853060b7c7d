import type { DiffId, Digest } from "@tsbuild/base";
import type { Disappearance } from "./layer-stack.ts";

/** A regular file of one layer. Layers are counted from 1, the lowest. */
export interface LayerFile {
  /** Absolute. */
  readonly path: string;
  readonly layer: number;
  readonly sizeBytes: number;
}

/** What a later layer deleted or replaced, and what is in the image all the same: a file, or all that was in a folder. */
export interface WastedFiles {
  readonly path: string;
  /** The layer that took it away. */
  readonly by: number;
  readonly how: Disappearance;
  /** The layers that it is in. */
  readonly layers: readonly number[];
  readonly files: number;
  readonly sizeBytes: number;
}

/** Files with the same content, none of them deleted. */
export interface DuplicateFiles {
  /** Of one. */
  readonly sizeBytes: number;
  /** Of all but one. */
  readonly wastedBytes: number;
  readonly places: readonly { readonly path: string; readonly layer: number }[];
}

export interface LayerAnatomy {
  readonly layer: number;
  readonly diffId: DiffId;
  /** Of its tar, as image history has it. */
  readonly sizeBytes: number;
  /** The instruction that made it; empty when the image does not say. */
  readonly createdBy: string;
  /** Regular files, and their bytes; hard links count once. */
  readonly files: number;
  readonly fileBytes: number;
  /** Bytes of those that a later layer deleted or replaced. */
  readonly wastedBytes: number;
}

export interface ImageAnatomy {
  readonly imageId: Digest;
  readonly name: string;
  readonly sizeBytes: number;
  readonly wastedBytes: number;
  readonly duplicateBytes: number;
  readonly layers: readonly LayerAnatomy[];
  /** Largest first, as all lists here, and only the first of them. */
  readonly largest: readonly LayerFile[];
  readonly wasted: readonly WastedFiles[];
  readonly duplicates: readonly DuplicateFiles[];
}
