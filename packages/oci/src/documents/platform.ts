import type { Platform } from "@tsbuild/base";
import type { Descriptor, Index } from "../types.ts";

/**
 * Variants that a machine of `architecture` and `variant` can run, best first (containerd's platforms.Only, without its fall-backs to
 * other architectures). An absent variant is the architecture's default.
 */
function runnableVariants(architecture: string, variant: string | undefined): string[] {
  const number = Number(/^v(\d+)/.exec(variant ?? "")?.[1]);
  if (architecture === "arm") return descending(Number.isNaN(number) ? 7 : number, 5);
  if (architecture === "arm64") return variant === undefined ? ["v8"] : [...new Set([variant, "v8"])];
  if (architecture === "amd64") return descending(Number.isNaN(number) ? 1 : number, 1);
  return [variant ?? ""];
}

function descending(from: number, to: number): string[] {
  return Array.from({ length: Math.max(1, from - to + 1) }, (_, index) => `v${from - index}`);
}

const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm: "v7", arm64: "v8", amd64: "v1" };

/** How well `candidate` fits: 0 is best, -1 not at all. */
function fitness(candidate: Pick<Platform, "os" | "architecture" | "variant">, wanted: Platform): number {
  if (candidate.os !== wanted.os || candidate.architecture !== wanted.architecture) return -1;
  const variant = candidate.variant || (DEFAULT_VARIANTS[candidate.architecture] ?? "");
  return runnableVariants(wanted.architecture, wanted.variant || undefined).indexOf(variant);
}

/** By what an index says that one of its entries is about another, as an attestation manifest is (X027). */
export const indexReference = {
  /** Annotations of the entry. */
  type: "vnd.docker.reference.type",
  digest: "vnd.docker.reference.digest",
  /** The type of an attestation manifest. */
  attestation: "attestation-manifest",
} as const;

/** Manifests of an index that are images: attestations have the platform unknown/unknown (X027). */
export function imageManifests(index: Index): Descriptor[] {
  return index.manifests.filter(
    ({ platform, annotations }) =>
      platform?.os !== "unknown" && annotations?.[indexReference.type] === undefined,
  );
}

/**
 * The manifest for `wanted` (R005): same os and architecture, the best variant that it can run; of equals the first. An index with a
 * single image that names no platform has that one. Undefined: there is none.
 */
export function selectPlatform(index: Index, wanted: Platform): Descriptor | undefined {
  const images = imageManifests(index);
  const only = images.length === 1 ? images[0] : undefined;
  if (only !== undefined && only.platform === undefined) return only;
  const described = images.filter(({ platform }) => platform !== undefined);
  const best = bestPlatform(
    described.flatMap(({ platform }) => platform ?? []),
    wanted,
  );
  return best === undefined ? undefined : described[best];
}

/** The place of the best of some platforms for `wanted`, of equals the first; undefined when none fits. */
export function bestPlatform(
  platforms: readonly Pick<Platform, "os" | "architecture" | "variant">[],
  wanted: Platform,
): number | undefined {
  const [best] = platforms
    .map((platform, at) => ({ at, fit: fitness(platform, wanted) }))
    .filter(({ fit }) => fit >= 0)
    .sort((a, b) => a.fit - b.fit);
  return best?.at;
}
