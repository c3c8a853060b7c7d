import type { DiffId, Digest } from "@tsbuild/base";
import { decompress, type ImageConfig } from "@tsbuild/oci";
import { layerDifference } from "./compare-layers.ts";

/** An image to be compared with another. */
export interface ComparedImage {
  /** Digest of the config. */
  readonly id: Digest;
  readonly config: ImageConfig;
  /** Bottom first; bytes of the tar, compressed or not. */
  readonly layers: readonly { readonly diffId: DiffId; readonly open: () => AsyncIterable<Uint8Array> }[];
}

/** The first thing that two images do not have in common. */
export interface FirstDifference {
  /** Of a difference in a layer: which, counted from 1 at the bottom, of how many, and what made it. */
  readonly layer?: { readonly number: number; readonly of: number; readonly step: string } | undefined;
  /** Absolute path in the layer; a field of the config (`config.Env[2]`) without a layer. */
  readonly path: string;
  readonly attribute: string;
  readonly first: string;
  readonly second: string;
}

/** Layers first, as the config of an image tells of them what else it has: undefined when the images are the same. */
export async function imageDifference(
  a: ComparedImage,
  b: ComparedImage,
): Promise<FirstDifference | undefined> {
  if (a.id === b.id) return undefined;
  const count = Math.min(a.layers.length, b.layers.length);
  for (let at = 0; at < count; at++) {
    const [one, other] = [a.layers[at]!, b.layers[at]!];
    if (one.diffId === other.diffId) continue;
    const layer = { number: at + 1, of: a.layers.length, step: stepOf(a.config, at) };
    const found = await layerDifference(decompress(one.open()), decompress(other.open()));
    if (found !== undefined) return { layer, ...found };
    return { layer, path: "/", attribute: "form of the archive", first: one.diffId, second: other.diffId };
  }
  if (a.layers.length !== b.layers.length) {
    const [first, second] = [a.layers.length, b.layers.length].map(String) as [string, string];
    return { path: "rootfs.diff_ids", attribute: "number of layers", first, second };
  }
  const field = jsonDifference(a.config, b.config, "");
  if (field !== undefined) return { attribute: "value", ...field };
  return { path: "", attribute: "form of the config", first: a.id, second: b.id };
}

/** The instruction that made a layer. */
function stepOf({ history = [] }: ImageConfig, at: number): string {
  return history.filter((entry) => entry.empty_layer !== true)[at]?.created_by ?? "";
}

function text(value: unknown): string {
  return value === undefined ? "not there" : JSON.stringify(value);
}

/** The first field, in the order of names, whose values differ. */
function jsonDifference(
  a: unknown,
  b: unknown,
  path: string,
): { readonly path: string; readonly first: string; readonly second: string } | undefined {
  if (JSON.stringify(a) === JSON.stringify(b)) return undefined;
  if (!isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b))
    return { path, first: text(a), second: text(b) };
  for (const key of [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()) {
    const place = Array.isArray(a) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
    const found = jsonDifference(a[key], b[key], place);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
