import { TsbuildError } from "@tsbuild/base";
import type { Attestation, CommittedImage } from "@tsbuild/export";
import type { CompiledPlatform } from "@tsbuild/frontend";
import type { Ref } from "@tsbuild/solver";
import type { AttestationRequest } from "../api.ts";
import type { RecordedRun } from "../build.ts";

/** One platform's result, of which something is to be claimed. Its layers are in the store, with their diff IDs. */
export interface AttestedResult {
  readonly platform: CompiledPlatform;
  readonly image: CommittedImage;
  /** Results of what was solved for its bill of materials (`sbomGraphs`). */
  readonly sbomRefs: readonly (Ref | null)[];
}

/** All that an attestation can be made from. */
export interface AttestBuild {
  readonly run: RecordedRun;
}

/**
 * Makes what was asked for, per platform, in the order of the request. A kind of attestation is a function from a result to an
 * `Attestation` (predicate, its type, a file name): outputs see to the rest.
 */
export async function attestImages(
  build: AttestBuild,
  results: readonly AttestedResult[],
): Promise<readonly CommittedImage[]> {
  const { attestations = [] } = build.run.request;
  const attested: CommittedImage[] = [];
  for (const result of results) {
    const made: Attestation[] = [];
    for (const request of attestations) made.push(...(await attestationsOf(build, result, request)));
    attested.push({ ...result.image, attestations: made });
  }
  return attested;
}

async function attestationsOf(
  build: AttestBuild,
  result: AttestedResult,
  request: AttestationRequest,
): Promise<readonly Attestation[]> {
  if (request.type === "sbom") return (await import("./sbom.ts")).sbomAttestations(build, result, request);
  throw new TsbuildError("TSB_UNSUPPORTED", `attestations of type ${request.type} cannot be made yet`);
}
