import type { RecordedRun } from "./build.ts";
import type { Delivered } from "./deliver.ts";
import type { MetadataFacts } from "./metadata.ts";
import { writeWhole } from "./write-whole.ts";

/**
 * `--iidfile` and `--metadata-file` (C013). Of several platforms there is no one image: the index's digest stands for them. The ID is
 * that of the first target; of several targets the metadata has one object each, under its name.
 */
export async function writeResultFiles(
  run: RecordedRun,
  delivered: readonly [Delivered, ...Delivered[]],
  facts: MetadataFacts,
): Promise<void> {
  const { iidFile, metadataFile } = run.request;
  const { imageId, manifest } = delivered[0].result;
  const id = imageId ?? manifest;
  if (iidFile !== undefined && id !== undefined) await writeWhole(iidFile, id);
  if (metadataFile === undefined) return;
  const { metadataOfAll } = await import("./metadata.ts");
  const metadata = await metadataOfAll(run, delivered, facts);
  await writeWhole(metadataFile, `${JSON.stringify(metadata, undefined, 2)}\n`);
}
