import { parseTruth } from "@tsbuild/base";
import type { OutputRequest } from "./api.ts";
import type { CompleteRequest } from "./complete-request.ts";
import { pushes } from "./output-wishes.ts";

/** What the request says of its image besides where it goes; any of it needs the files. */
function changesImage({ squash, reproducible, attestations = [] }: CompleteRequest): boolean {
  return squash !== undefined || reproducible === true || attestations.length > 0;
}

function isPushedByDigest({ attrs }: OutputRequest): boolean {
  return attrs["push-by-digest"] !== undefined && parseTruth(attrs["push-by-digest"]) !== false;
}

/**
 * An image that is kept here under a name, with its layers elsewhere, is like one that was pulled and whose layers are gone: they have to be where
 * the name says. So all its names have to be pushed, as what they are here.
 */
function keepsNames({ outputs, tags, annotations = {} }: CompleteRequest): boolean {
  const images = outputs.filter(({ type }) => type === "image");
  if (tags.length === 0 && images.length === 0) return true;
  if (Object.keys(annotations).length > 0 || outputs.some(isPushedByDigest)) return false;
  const tagsArePushed = outputs.some((output) => pushes(output) && output.attrs["name"] === undefined);
  return (tags.length === 0 || tagsArePushed) && images.every(pushes);
}

/** Whether all outputs of a build can take a layer from where it is, so that none of it has to be fetched or unpacked for them (V021). */
export async function outputsPassOn(request: CompleteRequest): Promise<boolean> {
  const written = request.outputs.filter(({ type }) => type !== "cacheonly");
  if (written.length === 0 || changesImage(request) || !keepsNames(request)) return false;
  const { takesAsItComes } = await import("@tsbuild/export/wanted");
  return written.every(takesAsItComes);
}
