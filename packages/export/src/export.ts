import { TsbuildError } from "@tsbuild/base";
import { imageAttributes } from "./attributes.ts";
import { registerImage } from "./commit.ts";
import { exportLocal, exportTar } from "./files.ts";
import { exportLayout } from "./layout.ts";
import type { CommittedImage, ExportOptions, ExportRequest, ExportResult } from "./types.ts";

function exportToStore(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): ExportResult {
  const { names } = imageAttributes(request);
  for (const image of images) registerImage(options.store, { ...image, names: names ?? image.names });
  return { manifest: images[0]?.manifest };
}

/**
 * Writes a committed image (or one per platform) in the form that was asked for (X010–X017). Files appear whole or not at all. Throws
 * TSB_USAGE for wrong options, TSB_EXPORT naming the path, TSB_DISK_FULL, TSB_UNSUPPORTED.
 */
export async function exportResult(
  request: ExportRequest,
  image: CommittedImage | readonly CommittedImage[],
  options: ExportOptions,
): Promise<ExportResult> {
  const images: readonly CommittedImage[] = "imageId" in image ? [image] : image;
  switch (request.type) {
    case "cacheonly":
      return {};
    case "image":
      return exportToStore(request, images, options);
    case "oci":
    case "docker":
      return exportLayout(request, images, options);
    case "tar":
      await exportTar(request, images, options);
      return {};
    case "local":
      await exportLocal(request, images, options);
      return {};
    case "registry":
      throw new TsbuildError("TSB_UNSUPPORTED", "pushing to a registry is not an output of this version", {
        hint: "write type=oci,dest=image.tar and push it with skopeo copy oci-archive:image.tar docker://…",
      });
  }
}
