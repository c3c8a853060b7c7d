import { hostPlatform, TsbuildError } from "@tsbuild/base";
import { commitImage } from "@tsbuild/export";
import type { Vertex } from "@tsbuild/llb";
import { nativeFs } from "@tsbuild/native-fs";
import {
  type ContainerConfig,
  decompress,
  formatReference,
  type ImageConfig,
  parseReference,
  unpackArchive,
} from "@tsbuild/oci";
import type { BuildResult, Engine } from "./api.ts";
import { compileDockerfile } from "./compile.ts";
import type { Session } from "./session.ts";

type ImportRequest = Parameters<Engine["importImage"]>[0];

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

function noChange(): TsbuildError {
  return new TsbuildError("TSB_USAGE", "--change takes only instructions that set the config", {
    hint: "CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR, ONBUILD, STOPSIGNAL, HEALTHCHECK, SHELL",
  });
}

/** What WORKDIR does besides; the archive has the folder, or whatever runs the image makes it. */
function makesFolders({ op: { kind } }: Vertex): boolean {
  return kind.type === "file" && kind.actions.every(({ action }) => action.type === "mkdir");
}

/** The config that the changes make, by compiling them as a Dockerfile on nothing. Only instructions that run nothing are allowed. */
async function configOf(session: Session, changes: readonly string[]): Promise<ContainerConfig> {
  const text = ["FROM scratch", ...changes].join("\n");
  const resolver = { resolve: () => Promise.reject(noChange()) };
  const compiled = await compileDockerfile(
    session.store,
    {
      file: "--change",
      text,
      platforms: [],
      buildPlatform: hostPlatform(),
      buildArgs: {},
      labels: {},
      namedContexts: {},
      noCache: "none",
      network: "default",
      addHosts: [],
      ulimits: [],
    },
    resolver,
  );
  const [platform] = compiled.platforms;
  if (platform === undefined) throw new Error("assertion failed: compiled for no platform");
  if (!platform.graph.vertices.every(makesFolders)) throw noChange();
  return platform.image.config ?? {};
}

/** The same bytes; fails when there are none, which is what a pipe brings whose other end failed. */
async function* notEmpty(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let isEmpty = true;
  for await (const chunk of source) {
    isEmpty &&= chunk.length === 0;
    yield chunk;
  }
  if (isEmpty) {
    throw new TsbuildError("TSB_INTEGRITY", "the archive is empty", {
      hint: "an archive without files still has an end; did the program that writes it fail?",
    });
  }
}

/** Makes an image of one layer of a root filesystem tarball. */
export async function importImage(session: Session, request: ImportRequest): Promise<BuildResult> {
  const { store } = session;
  const names = request.name === undefined ? [] : [formatReference(parseReference(request.name))];
  const platform = request.platform ?? hostPlatform();
  const config = await configOf(session, request.changes);
  const signal = request.signal ?? new AbortController().signal;
  const active = store.snapshots.prepare(null, { inPlace: true });
  let snapshot: ReturnType<typeof store.snapshots.commit>;
  try {
    const root = nativeFs.openFolder(active.upper);
    try {
      await unpackArchive(decompress(notEmpty(request.source)), root, { fs: nativeFs, signal });
    } finally {
      nativeFs.close(root);
    }
    snapshot = store.snapshots.commit(active);
  } catch (error) {
    store.snapshots.discard(active);
    throw error;
  }
  const { os, architecture, variant } = platform;
  const image: ImageConfig = {
    os,
    architecture,
    ...(variant === undefined || request.platform === undefined ? {} : { variant }),
    config: { Env: [DEFAULT_PATH], ...config },
    rootfs: { type: "layers", diff_ids: [] },
    history: [
      {
        created: new Date().toISOString(),
        created_by: "tsbuild import",
        ...(request.message === undefined ? {} : { comment: request.message }),
      },
    ],
  };
  const committed = await commitImage(store, {
    config: image,
    snapshot,
    names,
    platform,
    register: true,
    origin: "imported",
    signal,
  });
  return { imageId: committed.imageId, manifest: committed.manifest, names };
}
