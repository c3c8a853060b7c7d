import { parseTruth } from "@tsbuild/base";
import type { OutputRequest } from "./api.ts";
import type { BuildRun } from "./build.ts";

export function wantsImage({ request }: BuildRun): boolean {
  const { outputs, tags } = request;
  return tags.length > 0 || outputs.length === 0 || outputs.some(({ type }) => type !== "cacheonly");
}

/** The store gets what has a name, what has no other place to go, and what is asked of it. */
export function wantsStored({ request }: BuildRun): boolean {
  const { outputs, tags } = request;
  return (
    outputs.length === 0 ||
    tags.length > 0 ||
    outputs.some((output) => output.type === "image" && isStored(output))
  );
}

/** An image output with options, such as a name, puts the image into the store itself. */
export function isNamedAtOnce({ request }: BuildRun): boolean {
  const { outputs, tags } = request;
  const plain = outputs.some(({ type, attrs }) => type === "image" && Object.keys(attrs).length === 0);
  return outputs.length === 0 || tags.length > 0 || plain;
}

/** The exporter of images says which words are true and false. */
function isStored({ attrs }: OutputRequest): boolean {
  return attrs["store"] === undefined || parseTruth(attrs["store"]) === true;
}

/** Others take files. */
export function makesImage({ type }: OutputRequest): boolean {
  return !["local", "tar", "cacheonly"].includes(type);
}

/** The annotations of the request are those of every output that makes an image (C018). */
export function annotatedOutput(output: OutputRequest, { request }: BuildRun): OutputRequest {
  return makesImage(output) ? { ...output, attrs: { ...request.annotations, ...output.attrs } } : output;
}

/** One platform and nothing to be said of it: the image is a manifest, and that is all (W032). */
export function isPlain({ request }: BuildRun, results: readonly unknown[]): boolean {
  const { annotations = {}, attestations = [] } = request;
  return results.length === 1 && Object.keys(annotations).length === 0 && attestations.length === 0;
}

/** An image output without options is done with when the image is named. */
export function isWritten({ type, attrs }: OutputRequest): boolean {
  return type !== "cacheonly" && (type !== "image" || Object.keys(attrs).length > 0);
}

export function pushes({ type, attrs }: Pick<OutputRequest, "type" | "attrs">): boolean {
  const asked = attrs["push"] ?? attrs["push-by-digest"];
  return type === "registry" || (asked !== undefined && parseTruth(asked) === true);
}
