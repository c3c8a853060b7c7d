import { imageAttributes } from "./attributes.ts";
import { exportLocal, exportTar } from "./files.ts";
import { exportLayout } from "./layout.ts";
import { exportRegistry } from "./push.ts";
import { registerImages } from "./register.ts";
import type { CommittedImage, ExportOptions, ExportRequest, ExportResult } from "./types.ts";

async function exportToStore(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<ExportResult> {
  const { push, store } = imageAttributes(request);
  if (images.some(({ remote }) => remote !== undefined)) return passOn(request, images, options);
  const stored = store ? registerImages(options.store, images, request) : { manifest: images[0]?.manifest };
  return push ? exportRegistry(request, images, options) : stored;
}

/** Layers that are not here have to be where the name says, before there is one. */
async function passOn(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<ExportResult> {
  const pushed = await exportRegistry(request, images, options);
  if (imageAttributes(request).store) registerImages(options.store, images, request);
  return pushed;
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
      return exportRegistry(request, images, options);
  }
}
