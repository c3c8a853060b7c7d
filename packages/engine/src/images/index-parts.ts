import { hostPlatform } from "@tsbuild/base";
import { type Descriptor, type Index, imageManifests, selectPlatform } from "@tsbuild/oci";

/** What an index lists that is no image, such as what is claimed of one. */
export function othersIn(index: Index): Descriptor[] {
  const images = new Set(imageManifests(index));
  return index.manifests.filter((entry) => !images.has(entry));
}

/** The index of some of its images alone. */
export function indexOfSome(index: Index, entries: readonly Descriptor[]): Index {
  return { ...index, manifests: [...entries] };
}

/** Where in a list the image is that is meant by who knows no index: that for this machine, else the first. */
export function mainPlace(entries: readonly Descriptor[]): number {
  const main = selectPlatform({ schemaVersion: 2, manifests: [...entries] }, hostPlatform());
  return Math.max(0, main === undefined ? 0 : entries.indexOf(main));
}
