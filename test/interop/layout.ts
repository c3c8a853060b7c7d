import { createHash } from "node:crypto";
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";

/** What the specification says of the documents, as far as these tests look; written down here, not taken from tsbuild. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: { readonly os: string; readonly architecture: string };
}

export interface Manifest {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface Config {
  readonly architecture: string;
  readonly os: string;
  readonly created: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history: readonly { readonly created_by?: string; readonly empty_layer?: boolean }[];
}

export interface Layout {
  readonly index: { readonly schemaVersion: number; readonly manifests: readonly Descriptor[] };
  readonly manifest: Manifest;
  readonly config: Config;
}

export function blobPath(layout: string, digest: string): string {
  return join(layout, "blobs", ...digest.split(":"));
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T;
}

/** Reads a layout with one image. */
export function readLayout(layout: string): Layout {
  const index = readJson<Layout["index"]>(join(layout, "index.json"));
  const [first, ...others] = index.manifests;
  if (first === undefined || others.length > 0) throw new Error(`${layout}: not one image`);
  const manifest = readJson<Manifest>(blobPath(layout, first.digest));
  return { index, manifest, config: readJson<Config>(blobPath(layout, manifest.config.digest)) };
}

/** SHA-256 of a file's bytes, after a decompressor where one is given. */
export async function sha256File(path: string, decompress?: Transform): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), decompress ?? new PassThrough(), hash);
  return `sha256:${hash.digest("hex")}`;
}

function decompressorOf(mediaType: string): Transform | undefined {
  if (mediaType.endsWith("+gzip")) return createGunzip();
  if (mediaType.endsWith("+zstd")) return createZstdDecompress();
  return undefined;
}

/** All that is wrong with the bytes of a layout: names, sizes, digests, diff IDs, blobs that nothing names. Empty: nothing. */
export async function layoutProblems(layout: string): Promise<string[]> {
  const { index, manifest, config } = readLayout(layout);
  const problems: string[] = [];
  const descriptors = [...index.manifests, manifest.config, ...manifest.layers];
  for (const { digest, size } of descriptors) {
    const path = blobPath(layout, digest);
    const actual = statSync(path).size;
    if (actual !== size) problems.push(`${digest}: ${actual} bytes, described as ${size}`);
  }
  const named = new Set(descriptors.map(({ digest }) => digest));
  for (const name of readdirSync(join(layout, "blobs/sha256"))) {
    const actual = await sha256File(join(layout, "blobs/sha256", name));
    if (actual !== `sha256:${name}`) problems.push(`${name}: has the digest ${actual}`);
    if (!named.has(`sha256:${name}`)) problems.push(`${name}: nothing names it`);
  }
  const { diff_ids } = config.rootfs;
  if (diff_ids.length !== manifest.layers.length) problems.push(`${diff_ids.length} diff IDs`);
  for (const [at, { digest, mediaType }] of manifest.layers.entries()) {
    const actual = await sha256File(blobPath(layout, digest), decompressorOf(mediaType));
    if (actual !== diff_ids[at]) problems.push(`layer ${at}: diff ID ${diff_ids[at]}, is ${actual}`);
  }
  const layers = config.history.filter(({ empty_layer }) => empty_layer !== true);
  if (layers.length !== diff_ids.length) problems.push(`history has ${layers.length} layers`);
  return problems;
}

export type Compression = "gzip" | "zstd" | "uncompressed";

function compressorOf(compression: Compression): Transform {
  if (compression === "gzip") return createGzip({ level: 1 });
  return compression === "zstd" ? createZstdCompress() : new PassThrough();
}

/** Compresses a tar into the layout; returns its descriptor and diff ID. */
async function addLayer(
  layout: string,
  tar: string,
  compression: Compression,
): Promise<{ layer: Descriptor; diffId: string }> {
  const partial = join(layout, "blobs/partial");
  await pipeline(createReadStream(tar), compressorOf(compression), createWriteStream(partial));
  const digest = await sha256File(partial);
  const size = statSync(partial).size;
  await rename(partial, blobPath(layout, digest));
  const suffix = compression === "uncompressed" ? "" : `+${compression}`;
  const mediaType = `application/vnd.oci.image.layer.v1.tar${suffix}`;
  return { layer: { mediaType, digest, size }, diffId: await sha256File(tar) };
}

function addDocument(layout: string, document: unknown, mediaType: string): Descriptor {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  writeFileSync(blobPath(layout, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

/** Makes a base image without tsbuild: an OCI layout folder with one image `latest` of these layer tars. */
export async function writeLayout(
  layout: string,
  tars: readonly string[],
  config: Readonly<Record<string, unknown>>,
  compression: Compression = "gzip",
): Promise<void> {
  mkdirSync(join(layout, "blobs/sha256"), { recursive: true });
  const layers: Awaited<ReturnType<typeof addLayer>>[] = [];
  for (const tar of tars) layers.push(await addLayer(layout, tar, compression));
  const created = "2024-01-02T03:04:05Z";
  const image = {
    created,
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], ...config },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(() => ({ created, created_by: "a tar" })),
  };
  const type = (what: string): string => `application/vnd.oci.image.${what}.v1+json`;
  const manifest = addDocument(
    layout,
    {
      schemaVersion: 2,
      mediaType: type("manifest"),
      config: addDocument(layout, image, type("config")),
      layers: layers.map(({ layer }) => layer),
    },
    type("manifest"),
  );
  const annotations = { "org.opencontainers.image.ref.name": "latest" };
  writeFileSync(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(
    join(layout, "index.json"),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
}
