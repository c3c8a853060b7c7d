import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Digest, digestHex, errnoCode, isDigest, limits } from "@tsbuild/base";
import type { StoreState } from "./state.ts";

/** In a transaction: removes blobs that neither a lease, nor an image, nor a layer's compressed form, nor a remembered base image needs. */
export function collectBlobs(
  state: StoreState,
  held: ReadonlySet<string>,
): { readonly blobs: number; readonly blobBytes: number } {
  const { layout, database, trash } = state;
  database.run(
    "DELETE FROM compressed WHERE diff_id NOT IN (SELECT diff_id FROM layers WHERE diff_id IS NOT NULL)",
  );
  const needed = neededBlobs(state, { compressed: true }).union(rememberedBlobs(state));
  let blobs = 0;
  let blobBytes = 0;
  for (const name of readdirSync(layout.blobs)) {
    if (held.has(name) || needed.has(name)) continue;
    const file = join(layout.blobs, name);
    blobs += 1;
    blobBytes += statSync(file).size;
    trash.discard(file);
  }
  return { blobs, blobBytes };
}

/** Hex digests of what images need and, with `compressed`, of the compressed forms of layers. */
export function neededBlobs(state: StoreState, options: { readonly compressed: boolean }): Set<string> {
  const needed = new Set<string>();
  if (options.compressed) {
    for (const row of state.database.all<{ blob: string }>("SELECT blob FROM compressed"))
      add(row.blob, needed);
  }
  const images = state.database.all<{ manifest: string; config: string }>(
    "SELECT manifest, config FROM images UNION SELECT manifest, config FROM image_variants",
  );
  for (const image of images) {
    add(image.config, needed);
    follow(state, image.manifest, needed);
  }
  for (const { digest } of state.database.all<{ digest: string }>("SELECT digest FROM image_indexes"))
    follow(state, digest, needed);
  return needed;
}

/**
 * Manifests and configs of base images that builds remember (memo `image`): without them a build that finds everything would have to ask
 * a registry again.
 */
export function rememberedBlobs(state: StoreState): Set<string> {
  const needed = new Set<string>();
  const rows = state.database.all<{ manifest: string }>(
    "SELECT CAST(value AS TEXT) AS manifest FROM memo WHERE kind='image'",
  );
  for (const { manifest } of rows) {
    if (!add(manifest, needed)) continue;
    add(digestIn(readDocument(state.layout.blob(manifest as Digest))?.["config"]), needed);
  }
  return needed;
}

function add(digest: unknown, needed: Set<string>): boolean {
  if (typeof digest !== "string" || !isDigest(digest)) return false;
  const hex = digestHex(digest);
  if (needed.has(hex)) return false;
  needed.add(hex);
  return true;
}

/** A manifest or index and what it names (image-spec, manifest.md and image-index.md), as far as it is here. */
function follow(state: StoreState, digest: unknown, needed: Set<string>): void {
  if (!add(digest, needed)) return;
  const document = readDocument(state.layout.blob(digest as Digest));
  if (document === undefined) return;
  add(digestIn(document["config"]), needed);
  for (const layer of listIn(document["layers"])) add(digestIn(layer), needed);
  for (const manifest of listIn(document["manifests"])) follow(state, digestIn(manifest), needed);
}

/** Anything that is not a JSON object of a sane size names nothing: an index may list blobs of any type. */
function readDocument(file: string): Record<string, unknown> | undefined {
  const size = statSync(file, { throwIfNoEntry: false })?.size;
  if (size === undefined || size > limits.manifestBytes) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(file, "utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function digestIn(descriptor: unknown): unknown {
  return typeof descriptor === "object" && descriptor !== null && "digest" in descriptor
    ? descriptor.digest
    : undefined;
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
