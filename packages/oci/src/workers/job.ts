import { closeSync, openSync } from "node:fs";
import { type DiffId, sha256 } from "@tsbuild/base";
import { type NativeFs, StreamHash } from "@tsbuild/native-fs";
import { type CompressionVariant, compress } from "../compression/compress.ts";
import { decompress } from "../compression/decompress.ts";
import { SNIFF_BYTES, sniffCompression } from "../compression/sniff.ts";
import { GzipLayer } from "../layer/gzip-layer.ts";
import { type LayerTar, measureLayer, type PackedLayer } from "../layer/measure.ts";
import { packLayer, packLayerPieces } from "../layer/pack.ts";
import { type UnpackedLayer, unpackLayerTar } from "../layer/unpack-layer.ts";
import type { TarPiece } from "../tar/entry.ts";
import { GrowingFile } from "./growing-file.ts";

/** Packs one layer folder. Plain data: it travels to a worker. */
export interface PackJob {
  /** Host path of the layer folder. */
  readonly folder: string;
  /** Absent: only the diff ID is wanted, no bytes come out. */
  readonly variant?: CompressionVariant | undefined;
  /** See `PackOptions`. */
  readonly maxMtimeNs?: bigint | undefined;
  /** What the folder packed to before. When it still looks as it did then, this is the result and nothing is hashed again. */
  readonly known?: PackedLayer | undefined;
}

/** Unpacks one layer blob, compressed as it may be, into an empty layer folder. Whoever asks for it compares the diff ID that comes of it. */
export interface UnpackJob {
  /** Host path of the blob, or one that is still being written. */
  readonly blob: string | GrowingFile;
  readonly folder: string;
  /** Host paths of the layer folders below, top first, as far as they are there. */
  readonly lowers?: readonly string[] | undefined;
  readonly userxattr: boolean;
  /** Bound on the uncompressed size. */
  readonly maxBytes?: number | undefined;
}

export interface JobContext {
  readonly fs: NativeFs;
  readonly signal: AbortSignal;
  /** Entries that an image layer cannot hold (see `PackOptions`). */
  readonly onSkipped: (path: string, why: string) => void;
  /** Whether all processors have work of this kind. */
  readonly isCrowded?: (() => boolean) | undefined;
}

/** Diff ID and size of what the pieces make up. */
async function measurePieces(pieces: AsyncIterable<TarPiece>): Promise<PackedLayer> {
  const hash = new StreamHash();
  let sizeBytes = 0;
  for await (const piece of pieces) {
    if (piece instanceof Uint8Array) hash.update(piece);
    else await hash.updateRange(piece);
    sizeBytes += piece.length;
  }
  return { diffId: `sha256:${hash.digest()}` as DiffId, sizeBytes };
}

/** Runs a pack job here; with a variant, `emit` gets the bytes of the blob and is waited for: then it is done with them. */
export async function runPackJob(
  job: PackJob,
  context: JobContext,
  emit: (chunk: Uint8Array) => Promise<void>,
): Promise<PackedLayer> {
  const { fs, signal, onSkipped } = context;
  const root = fs.openFolder(job.folder);
  try {
    const walked = await fs.walk(root, "", { xattrs: true });
    const tree = sha256(walked);
    const known = job.known?.tree === tree ? job.known : undefined;
    const { maxMtimeNs, variant } = job;
    const options = { fs, signal, onSkipped, maxMtimeNs, walked, reuse: true };
    if (variant === undefined) {
      const found = known ?? (await measurePieces(packLayerPieces(root, { ...options, ranges: true })));
      return { ...found, tree };
    }
    const tar = packLayer(root, options);
    const measured = known === undefined ? measureLayer(tar) : { stream: tar, result: () => known };
    for await (const chunk of compress(measured.stream, variant, { reuse: true })) await emit(chunk);
    return { ...measured.result(), tree };
  } finally {
    fs.close(root);
  }
}

/** Nearly all layers are gzip: those are inflated from the file itself. */
async function layerTar(file: GrowingFile, { maxBytes }: UnpackJob, signal: AbortSignal): Promise<LayerTar> {
  const compression = sniffCompression(await file.head(SNIFF_BYTES, signal));
  if (compression === "gzip") return new GzipLayer(file, { maxBytes, signal });
  return measureLayer(decompress(file.chunks(signal), { maxBytes, reuse: true }));
}

async function unpackFile(file: GrowingFile, job: UnpackJob, context: JobContext): Promise<UnpackedLayer> {
  const { fs, signal, isCrowded } = context;
  const opened: number[] = [];
  try {
    for (const path of [job.folder, ...(job.lowers ?? [])]) opened.push(fs.openFolder(path));
    const [root = -1, ...lowers] = opened;
    const tar = await layerTar(file, job, signal);
    return await unpackLayerTar(tar, root, { fs, lowers, userxattr: job.userxattr, signal, isCrowded });
  } finally {
    for (const fd of opened) fs.close(fd);
  }
}

export async function runUnpackJob(job: UnpackJob, context: JobContext): Promise<UnpackedLayer> {
  if (typeof job.blob !== "string") return unpackFile(job.blob, job, context);
  const fd = openSync(job.blob, "r");
  try {
    return await unpackFile(GrowingFile.whole(fd), job, context);
  } finally {
    closeSync(fd);
  }
}
