import { suggestion, TsbuildError } from "@tsbuild/base";
import type { CompiledPlatform } from "@tsbuild/frontend";
import type { CompleteRequest } from "./complete-request.ts";

type Stacked = Pick<CompiledPlatform, "image" | "stages">;

/** Layers that `--squash` leaves as they are (W031), counted from the bottom. Throws TSB_USAGE for a stage that is not below. */
export function keptLayers({ image, stages = [] }: Stacked, from: string): number {
  const baseLayers = image.rootfs.diff_ids.length;
  if (from === "") return baseLayers;
  const wanted = from.toLowerCase();
  const stage =
    stages.find(({ name }) => name === wanted) ?? stages.find(({ index }) => String(index) === from);
  if (stage === undefined) throw unknownStage(from, stages);
  // Every instruction that makes a layer has an entry that says so (X024); those of the base come first.
  const own = (image.history ?? []).slice(stages[0]?.entriesBefore ?? 0, stage.entriesBefore);
  return baseLayers + own.filter((entry) => entry.empty_layer !== true).length;
}

function unknownStage(from: string, stages: NonNullable<Stacked["stages"]>): TsbuildError {
  const names = stages.map(({ name, index }) => name ?? String(index));
  return new TsbuildError(
    "TSB_USAGE",
    `--squash=${from}: the image is not built on a stage of that name (it may be one that files are copied from)`,
    { hint: suggestion(from, names) },
  );
}

/** Refuses, before anything runs, what cannot be squashed. */
export function checkSquash({ squash, cacheTo = [] }: CompleteRequest, platforms: readonly Stacked[]): void {
  if (squash === undefined) return;
  for (const platform of platforms) keptLayers(platform, squash);
  if (!cacheTo.some(({ type }) => type === "inline")) return;
  throw new TsbuildError("TSB_USAGE", "--squash and --cache-to type=inline contradict each other", {
    hint: "an inline cache is about the layers that are then one: use type=registry",
  });
}
