/** What `--metadata-file` tells of a build (FEATURES 2.4): the keys that buildx writes, and under `tsbuild.` more. */
import { formatPlatform, parseTruth, TsbuildError } from "@tsbuild/base";
import type { CommittedImage } from "@tsbuild/export";
import type { Warning } from "@tsbuild/frontend";
import type { RecordedRun } from "./build.ts";
import type { Delivered } from "./deliver.ts";
import type { StepRecord } from "./history/record.ts";

export interface MetadataFacts {
  readonly warnings: readonly Warning[];
  /** Makes the predicate of a provenance that is only for the file; per image, which is of a target. */
  readonly provenance: (
    mode: "min" | "max",
    image: CommittedImage,
    target: string | undefined,
  ) => Promise<unknown>;
}

/** BUILDX_METADATA_PROVENANCE: `min`, `max`; without it only what the build attests anyway. */
function wantedProvenance(text: string | undefined): "min" | "max" | undefined {
  if (text === undefined || text === "" || text === "disabled" || text === "false" || text === "0")
    return undefined;
  if (text === "min" || text === "max") return text;
  if (text === "true" || text === "1") return "min";
  throw new TsbuildError("TSB_USAGE", `BUILDX_METADATA_PROVENANCE=${JSON.stringify(text)} is not known`, {
    hint: "min, max or disabled",
  });
}

async function provenances(
  { env }: RecordedRun,
  { images, target }: Delivered,
  { provenance }: MetadataFacts,
): Promise<Record<string, unknown>> {
  const mode = wantedProvenance(env["BUILDX_METADATA_PROVENANCE"]);
  const found: Record<string, unknown> = {};
  for (const image of images) {
    const attested = image.attestations?.find(({ predicateType }) =>
      predicateType.startsWith("https://slsa.dev/"),
    );
    const predicate = mode === undefined ? attested?.predicate : await provenance(mode, image, target);
    const key = images.length === 1 ? "" : `/${formatPlatform(image.platform)}`;
    if (predicate !== undefined) found[`buildx.build.provenance${key}`] = predicate;
  }
  return found;
}

function layersOf(images: readonly CommittedImage[]) {
  return images.map(({ platform, imageId, layers, remote = [], baseLayers }) => ({
    platform: formatPlatform(platform),
    config: imageId,
    // How large a layer is that nobody has unpacked is not known.
    layers: [...layers, ...remote.map(({ diffId }) => ({ diffId, sizeBytes: undefined }))].map(
      ({ diffId, sizeBytes }, at) => ({ diffId, sizeBytes, ofBase: at < baseLayers }),
    ),
  }));
}

function stepOf({
  name,
  vertex,
  status,
  startedAt,
  endedAt,
  reason,
  sizeBytes,
  cpuMs,
  peakMemoryBytes,
}: StepRecord) {
  return {
    name,
    vertex,
    status,
    startedAt: new Date(startedAt).toISOString(),
    durationMs: endedAt === undefined ? undefined : endedAt - startedAt,
    reason: reason?.text,
    sizeBytes,
    cpuMs,
    peakMemoryBytes,
  };
}

/** Of several targets an object each, under its name. */
export async function metadataOfAll(
  run: RecordedRun,
  delivered: readonly [Delivered, ...Delivered[]],
  facts: MetadataFacts,
): Promise<Readonly<Record<string, unknown>>> {
  if (delivered.length === 1) return metadataOf(run, delivered[0], facts);
  const all: Record<string, unknown> = {};
  for (const one of delivered) all[one.target ?? "default"] = await metadataOf(run, one, facts);
  return all;
}

/** Undefined fields are not written. */
async function metadataOf(
  run: RecordedRun,
  delivered: Delivered,
  facts: MetadataFacts,
): Promise<Readonly<Record<string, unknown>>> {
  const { result, images, descriptor } = delivered;
  const { manifest, imageId, names } = result;
  const wantsWarnings = parseTruth(run.env["BUILDX_METADATA_WARNINGS"] ?? "") === true;
  return {
    "buildx.build.ref": run.recorder.id,
    ...(await provenances(run, delivered, facts)),
    ...(wantsWarnings ? { "buildx.build.warnings": facts.warnings } : {}),
    "containerimage.digest": manifest,
    "containerimage.config.digest": imageId,
    "containerimage.descriptor": descriptor,
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
    ...(images.length === 0 ? {} : { "tsbuild.images": layersOf(images) }),
    "tsbuild.steps": run.recorder.steps.map(stepOf),
  };
}
