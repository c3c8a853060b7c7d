import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type SnapshotId, TsbuildError } from "@tsbuild/base";
import { copyMerged, type MergedTree, packMerged, readTar, type TarMember, writeTar } from "@tsbuild/oci";
import { attestationFiles, platformFolder } from "./attestation-files.ts";
import { fileAttributes } from "./attributes.ts";
import { exportFailure, makeFolder, writeArchive } from "./destination.ts";
import type { CommittedImage, ExportOptions, ExportRequest } from "./types.ts";

/** With SOURCE_DATE_EPOCH no file is later than it, whatever made it (FEATURES, testSourceDateEpochLocalExporter). */
function mergedTree(
  { snapshot, epochSeconds }: Pick<CommittedImage, "snapshot" | "epochSeconds">,
  { store, signal }: ExportOptions,
): MergedTree {
  if (snapshot === null) return { lowers: [], signal };
  const maxMtimeNs = epochSeconds === undefined ? undefined : BigInt(epochSeconds) * 1_000_000_000n;
  const open = () => store.views.open(snapshot);
  return { lowers: store.snapshots.lowers(snapshot), open, signal, maxMtimeNs };
}

/** A root filesystem's members in a folder of their own; `folder` empty: at the top. */
async function* moved(folder: string, tar: AsyncIterable<Uint8Array>): AsyncGenerator<TarMember> {
  const prefix = folder === "" ? "" : `${folder}/`;
  if (folder !== "")
    yield { entry: { path: folder, type: "folder", mode: 0o755, uid: 0, gid: 0, size: 0, mtimeNs: 0n } };
  for await (const { entry, body } of readTar(tar)) {
    const target = entry.type === "hardlink" ? `${prefix}${entry.target}` : entry.target;
    yield { entry: { ...entry, path: `${prefix}${entry.path}`, target }, body };
  }
}

function fileMember(path: string, bytes: Uint8Array): TarMember {
  const entry = { path, type: "file", mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtimeNs: 0n } as const;
  return { entry, body: bytes };
}

/** All images and what is claimed of them, each in its folder or all at the top. */
async function* members(
  images: readonly CommittedImage[],
  layout: { readonly split: boolean; readonly prefix: string },
  options: ExportOptions,
): AsyncGenerator<TarMember> {
  const { split, prefix } = layout;
  const flat = !split && images.length > 1;
  for (const image of images) {
    const folder = split ? platformFolder(image) : "";
    yield* moved(folder, packMerged(mergedTree(image, options)));
    for (const { name, bytes } of await attestationFiles(image, mergedTree(image, options), { prefix, flat }))
      yield fileMember(join(folder, name), bytes);
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
  const [first] = images;
  const { split = images.length > 1, attestationPrefix: prefix } = fileAttributes(request);
  const isPlain = images.length === 1 && !split && (first?.attestations ?? []).length === 0;
  const stream =
    isPlain && first !== undefined
      ? packMerged({ ...mergedTree(first, options), reuse: true })
      : writeTar(members(images, { split, prefix }, options), { reuse: true });
  await writeArchive(counted(stream, options), request.dest, options);
}

/** What was there before may be a link that leads elsewhere: it goes, and is not followed. */
async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, bytes, { flag: "wx" });
}

/** The root filesystem of a snapshot as a tar; `dest` undefined is standard output. */
export async function exportRootfs(
  snapshot: SnapshotId | null,
  options: ExportOptions & { readonly dest?: string | undefined },
): Promise<void> {
  const { dest } = options;
  const stream = packMerged({ ...mergedTree({ snapshot }, options), reuse: true });
  await writeArchive(counted(stream, options), dest, options);
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
  const { mirror, split = images.length > 1, attestationPrefix: prefix } = fileAttributes(request);
  const flat = !split && images.length > 1;
  if (flat && mirror) {
    throw new TsbuildError(
      "TSB_USAGE",
      "output type=local: mode=delete would remove one platform's files for the next",
      {
        hint: "leave platform-split=false or mode=delete out",
      },
    );
  }
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
      const files = await attestationFiles(image, mergedTree(image, options), { prefix, flat });
      for (const { name, bytes } of files) await replaceFile(join(folder, name), bytes);
    } catch (error) {
      throw exportFailure(error, folder);
    }
  }
}
