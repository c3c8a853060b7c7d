import { formatReference, parseReference } from "@tsbuild/oci";
import { type ImageAttributes, imageAttributes } from "./attributes.ts";
import { registerImage } from "./commit.ts";
import { exportLocal, exportTar } from "./files.ts";
import { exportLayout } from "./layout.ts";
import { exportRegistry } from "./push.ts";
import type { CommittedImage, ExportOptions, ExportRequest, ExportResult } from "./types.ts";

async function exportToStore(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<ExportResult> {
  const attributes = imageAttributes(request);
  if (attributes.store) for (const image of images) store(image, attributes, options);
  return attributes.push ? exportRegistry(request, images, options) : { manifest: images[0]?.manifest };
}

/** X011: under its names; with its digest as well; without a name under a prefix and its digest. */
function store(image: CommittedImage, attributes: ImageAttributes, options: ExportOptions): void {
  const { nameCanonical, danglingPrefix } = attributes;
  const given = attributes.names ?? image.names;
  const dangling =
    given.length === 0 && danglingPrefix !== undefined ? [withDigest(danglingPrefix, image)] : [];
  const canonical = nameCanonical ? given.map((name) => withDigest(name, image)) : [];
  registerImage(options.store, { ...image, names: [...given, ...dangling, ...canonical] });
}

function withDigest(name: string, { manifest }: CommittedImage): string {
  return formatReference({ ...parseReference(name), tag: undefined, digest: manifest });
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
