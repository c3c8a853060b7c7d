import { formatPlatform } from "@tsbuild/base";
import type { Attestation, CommittedImage } from "@tsbuild/export";
import type { CompiledPlatform } from "@tsbuild/frontend";
import type { StepGrants } from "@tsbuild/ops";
import type { Ref } from "@tsbuild/solver";
import type { AttestationRequest } from "../api.ts";
import type { RecordedRun } from "../build.ts";
import { buildArgs, type PreparedRequest } from "../request.ts";
import type { BuildSources } from "../sources/open.ts";
import { buildFacts } from "./build-facts.ts";
import { type ProvenanceOptions, provenanceOptions } from "./options.ts";
import { provenance } from "./slsa.ts";
import { readVcs } from "./vcs.ts";

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
  readonly prepared: PreparedRequest;
  readonly sources: BuildSources;
  readonly grants: StepGrants;
}

/** What one request claims of a result. Outputs see to the rest. */
type Claim = (result: AttestedResult) => Promise<readonly Attestation[]>;

/**
 * Makes what was asked for, per platform, in the order of the request. A kind of attestation is a function from a result to an
 * `Attestation` (predicate, its type, a file name). Throws TSB_USAGE for wrong options.
 */
export async function attestImages(
  build: AttestBuild,
  results: readonly AttestedResult[],
): Promise<readonly CommittedImage[]> {
  const { attestations = [] } = build.run.request;
  const claims: Claim[] = [];
  for (const request of attestations) claims.push(await openClaim(build, request));
  const attested: CommittedImage[] = [];
  for (const result of results) {
    const made: Attestation[] = [];
    for (const claim of claims) made.push(...(await claim(result)));
    attested.push({ ...result.image, attestations: made });
  }
  return attested;
}

/** Refuses wrong options before anything runs. Throws TSB_USAGE. */
export function checkAttestations(requests: readonly AttestationRequest[]): void {
  for (const request of requests) {
    if (request.type === "provenance") provenanceOptions(request);
  }
}

/** The predicate alone, for who only wants to read it. */
export async function provenanceFor(
  build: AttestBuild,
  about: {
    readonly mode: ProvenanceOptions["mode"];
    readonly image: CommittedImage;
    readonly platforms: readonly CompiledPlatform[];
  },
): Promise<unknown> {
  const { mode, image, platforms } = about;
  const platform = platforms.find((one) => formatPlatform(one.platform) === formatPlatform(image.platform));
  if (platform === undefined) return undefined;
  const claim = await provenanceClaim(build, provenanceOptions({ type: "provenance", attrs: { mode } }));
  const [made] = await claim({ platform, image, sbomRefs: [] });
  return made?.predicate;
}

async function openClaim(build: AttestBuild, request: AttestationRequest): Promise<Claim> {
  if (request.type === "provenance") return provenanceClaim(build, provenanceOptions(request));
  const { sbomAttestations } = await import("./sbom.ts");
  return (result) => sbomAttestations(build, result, request);
}

async function provenanceClaim(
  { run, prepared, sources, grants }: AttestBuild,
  options: ProvenanceOptions,
): Promise<Claim> {
  const vcs = await readVcs(run.request, run.env);
  const finishedAt = Date.now();
  return async ({ platform, image }) => [
    provenance(
      buildFacts({
        options,
        prepared,
        graph: platform.graph,
        image,
        found: sources.rules,
        startedAt: run.recorder.startedAt,
        finishedAt,
        invocationId: run.recorder.id ?? "",
        vcs,
        args: buildArgs(run.request, run.env),
        hide: (text) => grants.mask.text(text),
      }),
    ),
  ];
}
