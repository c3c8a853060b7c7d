import { join } from "node:path";
import { formatPlatform, TsbuildError } from "@tsbuild/base";
import { copyMerged, type MergedTree, packMerged, readTar, type TarMember, writeTar } from "@tsbuild/oci";
import { fileAttributes } from "./attributes.ts";
import { exportFailure, makeFolder, writeArchive } from "./destination.ts";
import type { CommittedImage, ExportOptions, ExportRequest } from "./types.ts";

function mergedTree({ snapshot }: CommittedImage, { store, signal }: ExportOptions): MergedTree {
  if (snapshot === null) return { lowers: [], signal };
  return { lowers: store.snapshots.lowers(snapshot), open: () => store.views.open(snapshot), signal };
}

/** `linux_amd64`, the name of a platform's folder (X014). */
function platformFolder(image: CommittedImage): string {
  return formatPlatform(image.platform).replaceAll("/", "_");
}

async function* moved(prefix: string, tar: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember> {
  yield { entry: { path: prefix, type: "folder", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n } };
  for await (const { entry, body } of readTar(tar)) {
    const target = entry.type === "hardlink" ? `${prefix}/${entry.target}` : entry.target;
    yield { entry: { ...entry, path: `${prefix}/${entry.path}`, target }, body };
  }
}

async function* splitMembers(
  images: readonly CommittedImage[],
  options: ExportOptions,
): AsyncGenerator<TarMember> {
  for (const image of images) {
    const tar = packMerged(mergedTree(image, options));
    yield* moved(platformFolder(image), tar);
  }
}

async function* counted(
  stream: AsyncIterable<Uint8Array>,
  options: ExportOptions,
): AsyncGenerator<Uint8Array> {
  let current = 0;
  for await (const chunk of stream) {
    current += chunk.length;
    options.onProgress?.({ id: "files", current });
    yield chunk;
  }
  options.onProgress?.({ id: "files", current, total: current, done: true });
}

/** `type=tar` (X015): the root filesystem, whiteouts applied, as one tar. */
export async function exportTar(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<void> {
  const { signal, stdout = process.stdout } = options;
  const [first] = images;
  const split = fileAttributes(request).split ?? images.length > 1;
  const stream =
    split || first === undefined
      ? writeTar(splitMembers(images, options), { reuse: true })
      : packMerged({ ...mergedTree(first, options), reuse: true });
  await writeArchive(counted(stream, options), request.dest, { signal, stdout });
}

/** `type=local` (X014): the files in a folder, owned by who runs this. What the folder has besides stays, unless mode=delete. */
export async function exportLocal(
  request: ExportRequest,
  images: readonly CommittedImage[],
  options: ExportOptions,
): Promise<void> {
  const { dest } = request;
  if (dest === undefined || dest === "" || dest === "-") {
    throw new TsbuildError("TSB_USAGE", "output type=local needs a folder", { hint: "give dest=FOLDER" });
  }
  const { mirror, split = images.length > 1 } = fileAttributes(request);
  const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  for (const image of images) {
    const folder = split ? join(dest, platformFolder(image)) : dest;
    await makeFolder(folder);
    try {
      await copyMerged({
        ...mergedTree(image, options),
        dest: folder,
        mirror,
        owner,
        onProgress: (current, total) =>
          options.onProgress?.({ id: "files", current, total, done: current === total }),
      });
    } catch (error) {
      throw exportFailure(error, folder);
    }
  }
}
