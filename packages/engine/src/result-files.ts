import type { BuildRequest } from "./api.ts";
import type { Delivered } from "./deliver.ts";
import { writeWhole } from "./write-whole.ts";

/** `--iidfile` and `--metadata-file` (C013). Of several platforms there is no one image: the index's digest stands for them. */
export async function writeResultFiles(
  { iidFile, metadataFile }: BuildRequest,
  delivered: Delivered,
): Promise<void> {
  const { imageId, manifest } = delivered.result;
  const id = imageId ?? manifest;
  if (iidFile !== undefined && id !== undefined) await writeWhole(iidFile, id);
  if (metadataFile !== undefined)
    await writeWhole(metadataFile, `${JSON.stringify(metadataOf(delivered), undefined, 2)}\n`);
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
