import { digestHex, TsbuildError } from "@tsbuild/base";
import {
  bytesOf,
  type Descriptor,
  familiarName,
  formatReference,
  type Index,
  type LayoutContents,
  layoutMembers,
  mediaTypes,
  parseReference,
  writeLayout,
  writeTarPieces,
} from "@tsbuild/oci";
import type { Store } from "@tsbuild/store";
import { type ImageAttributes, imageAttributes } from "./attributes.ts";
import { exportFailure, makeFolder, writeArchive } from "./destination.ts";
import { type PackagedImage, packageImage } from "./image.ts";
import { isLoad } from "./load-output.ts";
import { rewriteTimestamps } from "./rewrite.ts";
import { mainImage, type Root, rootOf } from "./root.ts";
import type { CommittedImage, ExportOptions, ExportRequest, ExportResult, OriginalIndex } from "./types.ts";

/** One entry per name (X012): tools find an image in a layout by these annotations. */
function topLevel(root: Root, names: readonly string[], created: string): Index {
  const common = { ...root.descriptor.annotations, "org.opencontainers.image.created": created };
  const entries = names.map((name) => ({
    ...common,
    "io.containerd.image.name": name,
    "org.opencontainers.image.ref.name": parseReference(name).tag ?? "latest",
  }));
  const manifests = (entries.length === 0 ? [common] : entries).map((annotations) => ({
    ...root.descriptor,
    annotations,
  }));
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

function blobName({ digest }: Descriptor): string {
  return `blobs/sha256/${digestHex(digest)}`;
}

/** Docker's own list of what is in the archive (X013): docker load and podman load of any age read it. */
function dockerEntry({ manifest }: PackagedImage, names: readonly string[]) {
  return {
    Config: blobName(manifest.config),
    RepoTags: names.map((name) => familiarName(parseReference(name))),
    Layers: manifest.layers.map(blobName),
  };
}

function dockerManifest(entries: readonly ReturnType<typeof dockerEntry>[]) {
  return { name: "manifest.json", bytes: Buffer.from(JSON.stringify(entries)) };
}

interface Contents extends LayoutContents {
  readonly root: Descriptor;
  /** How docker's list tells of it. */
  readonly docker: ReturnType<typeof dockerEntry>;
}

function contentsOf(
  request: Pick<ExportRequest, "type">,
  images: readonly PackagedImage[],
  {
    attributes,
    original,
  }: { readonly attributes: ImageAttributes; readonly original?: OriginalIndex | undefined },
): Contents {
  const [first] = images;
  if (first === undefined) throw new Error("assertion failed: an export has an image");
  const names = (attributes.names ?? first.image.names).map((name) => formatReference(parseReference(name)));
  const root = rootOf(images, attributes, { type: request.type, names, attach: true, original });
  const index = topLevel(root, names, first.image.config.created ?? "1970-01-01T00:00:00Z");
  const main = root.index === undefined ? first : mainImage(root.index, images);
  const docker = dockerEntry(main, names);
  const extra = request.type === "docker" ? [dockerManifest([docker])] : undefined;
  return { root: root.descriptor, index, docker, blobs: root.blobs, extra };
}

async function packageAll(
  images: readonly CommittedImage[],
  attributes: ImageAttributes,
  options: ExportOptions,
): Promise<PackagedImage[]> {
  const packaged: PackagedImage[] = [];
  for (const image of images) {
    const wanted = attributes.rewriteTimestamps ? await rewriteTimestamps(image, options) : image;
    packaged.push(await packageImage(wanted, attributes, options));
  }
  return packaged;
}

/** What goes into the archive or folder of an output. */
export async function layoutContents(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<Contents> {
  const attributes = imageAttributes(request);
  return contentsOf(request, await packageAll(images, attributes, options), { attributes });
}

/** `type=oci` and `type=docker`: an OCI layout as a tar or a folder; Docker's with manifest.json. */
export async function exportLayout(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<ExportResult> {
  if (request.type === "docker" && images.length > 1) {
    throw new TsbuildError("TSB_UNSUPPORTED", "output type=docker holds one platform only", {
      hint: "use type=oci, or build for one --platform",
    });
  }
  if (request.type === "docker" && images.some(({ attestations = [] }) => attestations.length > 0)) {
    throw new TsbuildError(
      "TSB_UNSUPPORTED",
      "output type=docker holds no attestations: it would need an index",
      {
        hint: "use type=oci, or leave --provenance, --sbom and --attest out",
      },
    );
  }
  const contents = await layoutContents(request, images, options);
  if (isLoad(request)) await loadInto(contents, options);
  else if (imageAttributes(request).tar) {
    const archive = writeTarPieces(layoutMembers(contents), { reuse: true });
    await writeArchive(archive, request.dest, options);
  } else await writeFolder(request, contents, options.store);
  return { manifest: contents.root.digest, descriptor: contents.root };
}

/** The archive goes into the engine while it is made; nothing of it is written here. */
async function loadInto(contents: LayoutContents, options: ExportOptions): Promise<void> {
  if (options.containers === undefined) throw new Error("assertion failed: a load needs a container engine");
  const engine = await options.containers();
  const archive = bytesOf(writeTarPieces(layoutMembers(contents), { reuse: true }));
  for (const line of await engine.load(archive, options.signal)) options.onLog?.(`${engine.name}: ${line}`);
}

async function writeFolder(
  { type, dest }: ExportRequest,
  contents: LayoutContents,
  store: Store,
): Promise<void> {
  if (dest === undefined || dest === "" || dest === "-") {
    throw new TsbuildError(
      "TSB_USAGE",
      `output type=${type},tar=false writes a folder, not standard output`,
      {
        hint: "give dest=FOLDER",
      },
    );
  }
  await makeFolder(dest);
  try {
    await writeLayout(dest, contents, { onTemporary: (path) => store.removeIfKilled(path) });
  } catch (error) {
    throw exportFailure(error, dest);
  }
}

/** An image, or those of an index, that were made before. */
export interface SavedImage {
  readonly images: readonly CommittedImage[];
  /** Annotations, and whether its documents are OCI's. */
  readonly attrs: Readonly<Record<string, string>>;
  readonly original?: OriginalIndex | undefined;
}

/**
 * Several images in one archive of Docker's form; layers made here as plain tars, pulled ones as they came. Of an index all of its images
 * are in the layout; docker's own list has the one for this machine, which is what a docker that reads no layout loads.
 */
export async function exportArchive(
  saved: readonly SavedImage[],
  options: ExportOptions & { readonly dest?: string | undefined },
): Promise<void> {
  const { dest } = options;
  const parts: Contents[] = [];
  for (const { images, attrs, original } of saved) {
    const request = { type: "oci", attrs: { compression: "uncompressed", ...attrs } } as const;
    const attributes = imageAttributes(request);
    const packaged = await packageAll(images, attributes, options);
    parts.push(contentsOf(request, packaged, { attributes, original }));
  }
  const contents: LayoutContents = {
    index: {
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: parts.flatMap((part) => part.index.manifests),
    },
    blobs: parts.flatMap((part) => part.blobs),
    extra: [dockerManifest(parts.map((part) => part.docker))],
  };
  await writeArchive(writeTarPieces(layoutMembers(contents), { reuse: true }), dest, options);
}
