import type { BuildRequest } from "./api.ts";
import type { Delivered } from "./deliver.ts";
import { writeWhole } from "./write-whole.ts";

/**
 * `--iidfile` and `--metadata-file` (C013). Of several platforms there is no one image: the index's digest stands for them. The ID is
 * that of the first target; of several targets the metadata has one object each, under its name.
 */
export async function writeResultFiles(
  { iidFile, metadataFile }: BuildRequest,
  delivered: readonly [Delivered, ...Delivered[]],
): Promise<void> {
  const { imageId, manifest } = delivered[0].result;
  const id = imageId ?? manifest;
  if (iidFile !== undefined && id !== undefined) await writeWhole(iidFile, id);
  if (metadataFile !== undefined)
    await writeWhole(metadataFile, `${JSON.stringify(metadataOfAll(delivered), undefined, 2)}\n`);
}

function metadataOfAll(delivered: readonly [Delivered, ...Delivered[]]): Readonly<Record<string, unknown>> {
  if (delivered.length === 1) return metadataOf(delivered[0]);
  return Object.fromEntries(delivered.map((one) => [one.target ?? "default", metadataOf(one)]));
}

/** The keys that buildx writes (FEATURES 2.4). */
function metadataOf({ result, descriptor }: Delivered): Readonly<Record<string, unknown>> {
  const { manifest, imageId, names } = result;
  return {
    ...(manifest === undefined ? {} : { "containerimage.digest": manifest }),
    ...(imageId === undefined ? {} : { "containerimage.config.digest": imageId }),
    ...(descriptor === undefined ? {} : { "containerimage.descriptor": descriptor }),
    ...(names.length === 0 ? {} : { "image.name": names.join(",") }),
  };
}
