import { randomBytes } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import {
  type BuildEvent,
  chainId,
  type Digest,
  hostPlatform,
  type SnapshotId,
  TsbuildError,
} from "@tsbuild/base";
import { type ImageConfig, parseImageConfig } from "@tsbuild/oci";
import { mountTransfer, type Store } from "@tsbuild/store";
import { runBuild } from "../build.ts";
import type { CompleteRequest } from "../complete-request.ts";
import { findImage } from "../images/find.ts";
import type { Session } from "../session.ts";
import { type ComparedImage, type FirstDifference, imageDifference } from "./compare.ts";

export interface VerifyReport {
  readonly first: Digest;
  readonly second: Digest;
  /** Undefined: the images are the same, byte for byte. */
  readonly difference?: FirstDifference | undefined;
}

export interface VerifyOptions {
  /** An image that is here, by name or ID, or an archive of one: built once and compared with that. */
  readonly against?: string | undefined;
  readonly signal: AbortSignal;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Told of each build before it begins; what it gives is told of what happens in the build, and of its end. */
  readonly onBuild: (which: "first" | "second") => Promise<{
    onEvent(event: BuildEvent): void;
    finish(error?: unknown): Promise<void>;
  }>;
}

/**
 * Builds twice and compares (W024): first as ever, then every step anew, one at a time, with empty cache mounts. Both are `reproducible`. With
 * `against` the build that runs every step is compared with an image that exists, and is dated as that one unless SOURCE_DATE_EPOCH is given.
 */
export async function verifyBuild(
  session: Session,
  request: CompleteRequest,
  options: VerifyOptions,
): Promise<VerifyReport> {
  if (request.platforms.length > 1) {
    throw new TsbuildError("TSB_UNSUPPORTED", "verify compares one platform at a time", {
      hint: "verify each of them: --platform linux/amd64",
    });
  }
  const { against } = options;
  if (against === undefined) {
    const first = await build(session, asked(request), "first", options);
    const second = await build(session, anew(asked(request)), "second", options);
    return report(first, second);
  }
  const first = await existing(session, against, options.signal);
  const dated = withEpoch(asked(request), first.config, options.env);
  return report(first, await build(session, anew(dated), "second", options));
}

async function report(first: ComparedImage, second: ComparedImage): Promise<VerifyReport> {
  const difference = await imageDifference(first, second);
  return { first: first.id, second: second.id, ...(difference === undefined ? {} : { difference }) };
}

/** The image alone, named nowhere. */
function asked(request: CompleteRequest): CompleteRequest {
  const nowhere = [{ type: "image", attrs: { store: "false" } }] as const;
  const { cacheTo: _, ...rest } = request;
  return {
    ...rest,
    reproducible: true,
    tags: [],
    outputs: nowhere,
    iidFile: undefined,
    metadataFile: undefined,
  };
}

const MOUNTS = "BUILDKIT_CACHE_MOUNT_NS";

/** Nothing of the first build is used but its sources; caches of its own leave the user's as they are. */
function anew(request: CompleteRequest): CompleteRequest {
  const namespace = `verify-${randomBytes(6).toString("hex")}`;
  return { ...request, rebuildAll: true, jobs: 1, buildArgs: { ...request.buildArgs, [MOUNTS]: namespace } };
}

function withEpoch(
  request: CompleteRequest,
  { created }: ImageConfig,
  env: VerifyOptions["env"],
): CompleteRequest {
  const given = request.buildArgs["SOURCE_DATE_EPOCH"] ?? env["SOURCE_DATE_EPOCH"];
  const seconds = Math.floor(Date.parse(created ?? "") / 1000);
  if (given || Number.isNaN(seconds)) return request;
  return { ...request, buildArgs: { ...request.buildArgs, SOURCE_DATE_EPOCH: String(seconds) } };
}

async function build(
  session: Session,
  request: CompleteRequest,
  which: "first" | "second",
  { onBuild, signal, env }: VerifyOptions,
): Promise<ComparedImage> {
  const { store } = session;
  const view = await onBuild(which);
  try {
    const { imageId } = await runBuild({ session, request, env, signal, emit: view.onEvent });
    await view.finish();
    if (imageId === undefined) throw new Error("assertion failed: a build for one platform has an image");
    const config = parseImageConfig(store.blobs.read(imageId));
    return await stored(store, { id: imageId, config, snapshot: snapshotOf(store, config), signal });
  } catch (error) {
    await view.finish(error);
    throw error;
  } finally {
    await removeMounts(store, request.buildArgs[MOUNTS]);
  }
}

async function removeMounts(store: Store, namespace: string | undefined): Promise<void> {
  if (namespace === undefined || !namespace.startsWith("verify-")) return;
  const mounts = mountTransfer(store);
  const ids = (await mounts.list()).map(({ id }) => id).filter((id) => id.startsWith(`${namespace}/`));
  for (const id of new Set(ids)) mounts.remove(id);
}

/** What an image that was just committed is stacked of. */
function snapshotOf(store: Store, { rootfs }: ImageConfig): SnapshotId | null {
  const chain = chainId(rootfs.diff_ids);
  if (chain === undefined) return null;
  const snapshot = store.snapshots.byChainId(chain);
  if (snapshot === undefined) throw new Error("assertion failed: the layers of a new image are here");
  return snapshot;
}

async function stored(
  store: Store,
  image: {
    readonly id: Digest;
    readonly config: ImageConfig;
    readonly snapshot: SnapshotId | null;
    readonly signal: AbortSignal;
  },
): Promise<ComparedImage> {
  const { id, config, snapshot, signal } = image;
  if (snapshot === null) return { id, config, layers: [] };
  const { snapshotLayers } = await import("@tsbuild/export");
  const packed = await snapshotLayers(snapshot, { compression: "uncompressed" }, { store, signal });
  return { id, config, layers: packed.map(({ diffId, open }) => ({ diffId, open: () => open(0) })) };
}

/** An image that is here, or one of an archive. */
async function existing(session: Session, text: string, signal: AbortSignal): Promise<ComparedImage> {
  if (statSync(text, { throwIfNoEntry: false })?.isFile() === true)
    return archived(session.store, text, signal);
  const { store } = session;
  const { record } = findImage(store, text);
  if (record.snapshot === undefined) {
    throw new TsbuildError("TSB_STORE", `the layers of ${text} are not here`, {
      hint: `tsbuild pull ${text}`,
    });
  }
  const config = parseImageConfig(store.blobs.read(record.config));
  return stored(store, { id: record.config, config, snapshot: record.snapshot, signal });
}

async function archived(store: Store, file: string, signal: AbortSignal): Promise<ComparedImage> {
  const { readArchivedImages } = await import("../images/load.ts");
  const found = await readArchivedImages(store, createReadStream(file), { platform: hostPlatform(), signal });
  const [image, ...others] = found;
  if (image === undefined || others.length > 0) {
    throw new TsbuildError("TSB_USAGE", `${file} holds ${found.length} images: one is to be compared with`);
  }
  const { id, config, blobs } = image;
  const layers = blobs.map((blob, at) => ({
    diffId: config.rootfs.diff_ids[at]!,
    open: () => createReadStream(store.blobs.path(blob)),
  }));
  return { id, config, layers };
}
