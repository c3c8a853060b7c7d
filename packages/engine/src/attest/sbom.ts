import { type SnapshotId, suggestion, TsbuildError } from "@tsbuild/base";
import type { Attestation } from "@tsbuild/export";
import type { CompiledPlatform, ImageResolver } from "@tsbuild/frontend";
import type { Graph } from "@tsbuild/llb";
import { familiarName, parseReference } from "@tsbuild/oci";
import { snapshotOf } from "@tsbuild/ops";
import type { Ref } from "@tsbuild/solver";
import type { AttestationRequest } from "../api.ts";
import type { CompleteRequest } from "../complete-request.ts";
import { nativeSbom } from "../sbom/native.ts";
import type { AttestBuild, AttestedResult } from "./attestations.ts";
import { scannedName } from "./scanned-name.ts";

const PREDICATE_TYPE = "https://spdx.dev/Document";

/** Options of ours; those of a scanner are its own. */
const OPTIONS = ["generator"];

/** What has to be solved for the bill of materials of one platform, beside its result: a scan, or the stages to look at. */
export interface SbomGraphs {
  readonly graphs: readonly Graph[];
}

function sbomRequest({ attestations = [] }: CompleteRequest): AttestationRequest | undefined {
  return attestations.find(({ type }) => type === "sbom");
}

function checkOptions({ attrs }: AttestationRequest): void {
  const unknown = Object.keys(attrs).find((key) => !OPTIONS.includes(key));
  if (unknown === undefined) return;
  throw new TsbuildError("TSB_USAGE", `--sbom: unknown option ${JSON.stringify(unknown)}`, {
    hint: `${suggestion(unknown, OPTIONS)}; options of a scanner need generator=IMAGE`,
  });
}

/** Per platform, in their order; none without an `sbom` in the request. Throws TSB_USAGE, and what resolving a scanner throws. */
export async function sbomGraphs(
  request: CompleteRequest,
  platforms: readonly CompiledPlatform[],
  resolver: ImageResolver,
): Promise<readonly SbomGraphs[]> {
  const wanted = sbomRequest(request);
  if (wanted === undefined) return [];
  const { generator, ...options } = wanted.attrs;
  if (generator === undefined || generator === "") {
    checkOptions(wanted);
    return platforms.map(({ sbomExtras = [] }) => ({ graphs: sbomExtras.map(({ graph }) => graph) }));
  }
  const { scannerGraphs } = await import("./scanner.ts");
  const { network } = request;
  const graphs = await scannerGraphs(platforms, { generator, options, network, resolver });
  return graphs.map((graph) => ({ graphs: [graph] }));
}

/** The bills of materials of one platform's result: a scanner's, or made here, of the stages that the Dockerfile wants scanned as well. */
export async function sbomAttestations(
  { run }: AttestBuild,
  result: AttestedResult,
  { attrs: { generator } }: AttestationRequest,
): Promise<readonly Attestation[]> {
  const { store } = run.session;
  const [scan = null] = result.sbomRefs;
  if (generator) {
    const { scannedAttestations } = await import("./scanned.ts");
    return scannedAttestations(store, { snapshot: snapshotIn(scan), generator });
  }
  const { image, platform } = result;
  const [first] = image.names;
  const name = first === undefined ? "image" : familiarName(parseReference(first));
  const extras = (platform.sbomExtras ?? []).map((extra, at) => ({
    name: extra.name,
    fileName: `${scannedName(extra.name)}.spdx.json`,
    snapshot: snapshotIn(result.sbomRefs[at] ?? null),
  }));
  const made: Attestation[] = [];
  for (const scanned of [{ name, fileName: "sbom.spdx.json", snapshot: image.snapshot }, ...extras]) {
    made.push(await nativeAttestation(run, { ...scanned, created: image.config.created }));
  }
  return made;
}

function snapshotIn(ref: Ref | null): SnapshotId | null {
  return ref === null ? null : snapshotOf(ref);
}

interface Scanned {
  readonly name: string;
  readonly fileName: string;
  readonly snapshot: SnapshotId | null;
  readonly created: string | undefined;
}

async function nativeAttestation(run: AttestBuild["run"], scanned: Scanned): Promise<Attestation> {
  const { document, notes } = await nativeSbom(run.session.store, { ...scanned, signal: run.signal });
  for (const note of notes) {
    const message = `the bill of materials of ${scanned.name} is not whole: ${note}`;
    run.emit({ type: "warning", at: Date.now(), message });
  }
  return { predicateType: PREDICATE_TYPE, predicate: document, fileName: scanned.fileName };
}
