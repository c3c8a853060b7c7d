import { type BigIntStats, constants, fstat } from "node:fs";
import { stat } from "node:fs/promises";
import { promisify } from "node:util";
import { type DiffId, type Digest, errnoCode, sha256 } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import {
  blobOffset,
  fileRanges,
  type LayerPlan,
  type PlacedFile,
  planLayer,
  type TarPiece,
} from "@tsbuild/oci";
import type { Store, WholeLayer } from "@tsbuild/store";
import { imageAttributes } from "./attributes.ts";
import { commitImage, sketchImage } from "./commit.ts";
import { exportFailure } from "./destination.ts";
import { layoutContents } from "./layout.ts";
import { isLoad } from "./load-output.ts";
import { NewFile } from "./new-file.ts";
import type { CommitRequest, CommittedImage, CommittedLayer, ExportRequest } from "./types.ts";

/** With bigints, as times are in nanoseconds. */
const statFd = promisify<number, BigIntStats>((fd, done) => fstat(fd, { bigint: true }, done));

/** A layer that nobody has measured, and where in the archive its tar will begin. */
interface DraftLayer {
  readonly folder: string;
  readonly offset: number;
  readonly large: readonly PlacedFile[];
}

/** Which file it is, and that nobody has written to it since. */
async function identify(fd: number): Promise<string> {
  const { dev, ino, size, ctimeNs } = await statFd(fd);
  return `${dev}:${ino}:${size}:${ctimeNs}`;
}

/**
 * An archive that is begun before the digests of its layers are known: large files are written to where they will be, while another
 * processor hashes them. Whoever writes the archive then asks for each piece whether it is there. A wrong guess of its place, or a file
 * that changed, costs time only: the piece is written again.
 */
export class ArchiveDraft {
  /** The one it is of. */
  readonly output: ExportRequest;
  readonly file: NewFile;
  readonly #layers: readonly DraftLayer[];
  /** What files are in the archive, by where they begin. */
  readonly #placed = new Map<number, string>();

  constructor(output: ExportRequest, file: NewFile, layers: readonly DraftLayer[]) {
    this.output = output;
    this.file = file;
    this.#layers = layers;
  }

  /** Writes the large files. Throws what `writeArchive` throws. */
  async fill(signal: AbortSignal): Promise<void> {
    try {
      for (const layer of this.#layers) await this.#fillLayer(layer, signal);
    } catch (error) {
      throw exportFailure(error, this.output.dest ?? "");
    }
  }

  async #fillLayer({ folder, offset, large }: DraftLayer, signal: AbortSignal): Promise<void> {
    const root = nativeFs.openFolder(folder);
    try {
      for (const place of large) await this.#place(root, place, { offset: offset + place.offset, signal });
    } finally {
      nativeFs.close(root);
    }
  }

  async #place(
    root: number,
    { file }: PlacedFile,
    { offset, signal }: { readonly offset: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const fd = nativeFs.openInRoot(root, file.path, constants.O_RDONLY | constants.O_NOFOLLOW, 0);
    try {
      const identity = await identify(fd);
      for (const range of fileRanges(fd, file.size)) {
        signal.throwIfAborted();
        await nativeFs.sendRange(this.file.handle.fd, range, offset + range.offset);
      }
      this.#placed.set(offset, identity);
    } finally {
      nativeFs.close(fd);
    }
  }

  /** Whether the piece is at this place of the archive already. */
  async holds(piece: TarPiece, at: number): Promise<boolean> {
    if (piece instanceof Uint8Array) return false;
    const placed = this.#placed.get(at - piece.offset);
    return placed !== undefined && placed === (await identify(piece.fd));
  }
}

/** A tar of layers as they are, in a file of its own. */
async function isDraftable(output: ExportRequest): Promise<boolean> {
  const { type, dest = "-" } = output;
  if ((type !== "oci" && type !== "docker") || isLoad(output) || dest === "" || dest === "-") return false;
  const { tar, variant, estargz, rewriteTimestamps } = imageAttributes(output);
  if (!tar || variant.compression !== "uncompressed" || estargz || rewriteTimestamps) return false;
  try {
    return (await stat(dest)).isFile();
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return true;
    throw exportFailure(error, dest);
  }
}

async function planFolder(folder: string): Promise<LayerPlan> {
  const root = nativeFs.openFolder(folder);
  try {
    return planLayer(await nativeFs.walk(root, "", { xattrs: true }));
  } finally {
    nativeFs.close(root);
  }
}

/** As long as a diff ID, and that of nothing. */
function madeUpId({ id }: WholeLayer): DiffId {
  return sha256(Buffer.from(`the layer ${id}, which nobody has measured`)) as string as DiffId;
}

interface SketchedLayer extends CommittedLayer {
  readonly large: readonly PlacedFile[];
}

async function sketchLayer(layer: WholeLayer): Promise<SketchedLayer> {
  const { folder, createdMs, diffId, sizeBytes } = layer;
  if (diffId !== undefined && sizeBytes !== undefined)
    return { folder, createdMs, diffId, sizeBytes, large: [] };
  return { folder, createdMs, diffId: madeUpId(layer), ...(await planFolder(folder)) };
}

interface DraftJob {
  readonly store: Store;
  readonly request: CommitRequest;
  /** The image's layers before anything of them was measured. */
  readonly infos: readonly WholeLayer[];
}

/** Where large files of layers that are not measured will be in the archive of `output`. */
async function placeLayers(
  { store, request, infos }: DraftJob,
  output: ExportRequest,
): Promise<DraftLayer[]> {
  if (infos.every(({ diffId }) => diffId !== undefined)) return [];
  const layers = await Promise.all(infos.map(sketchLayer));
  if (layers.every(({ large }) => large.length === 0)) return [];
  const { signal } = new AbortController();
  const contents = await layoutContents(output, [sketchImage(request, layers)], { store, signal });
  return layers.flatMap(({ folder, diffId, large }) => {
    const offset = large.length === 0 ? undefined : blobOffset(contents, diffId as string as Digest);
    return offset === undefined ? [] : [{ folder, offset, large }];
  });
}

/**
 * Begins the archive of the first output that is a plain tar in a file, when the commit has large files to hash. Undefined: there is
 * nothing to win.
 */
async function draftArchive(
  job: DraftJob,
  outputs: readonly ExportRequest[],
): Promise<ArchiveDraft | undefined> {
  for (const output of outputs) {
    if (!(await isDraftable(output))) continue;
    const layers = await placeLayers(job, output);
    if (layers.length === 0) return undefined;
    const { dest = "" } = output;
    try {
      return new ArchiveDraft(output, await NewFile.make(dest, job.store), layers);
    } catch (error) {
      throw exportFailure(error, dest);
    }
  }
  return undefined;
}

async function filledDraft(
  job: DraftJob,
  outputs: readonly ExportRequest[],
): Promise<ArchiveDraft | undefined> {
  const draft = await draftArchive(job, outputs);
  try {
    await draft?.fill(job.request.signal ?? new AbortController().signal);
    return draft;
  } catch (error) {
    await draft?.file.drop();
    throw error;
  }
}

/**
 * Commits the image, and writes of the archives that `outputs` ask for what can be written meanwhile. Throws what `commitImage` and
 * `writeArchive` throw, when both are done. The caller drops the draft's file in the end.
 */
export async function commitAndDraft(
  store: Store,
  request: CommitRequest,
  outputs: readonly ExportRequest[],
): Promise<{ readonly image: CommittedImage; readonly draft: ArchiveDraft | undefined }> {
  // Before the commit begins: once it has measured them there is nothing to begin with.
  const infos = request.snapshot === null ? [] : await store.snapshots.wholeLayers(request.snapshot);
  const [image, draft] = await Promise.allSettled([
    commitImage(store, request),
    filledDraft({ store, request, infos }, outputs),
  ]);
  if (image.status === "rejected" && draft.status === "fulfilled") await draft.value?.file.drop();
  if (image.status === "rejected") throw image.reason;
  if (draft.status === "rejected") throw draft.reason;
  return { image: image.value, draft: draft.value };
}
