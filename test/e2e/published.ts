import { gzipSync } from "node:zlib";
import { type Digest, sha256 } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci";
import type { TestRegistry } from "@tsbuild/testkit";

/** An image of one layer that a registry has. */
export interface Published {
  readonly manifest: Digest;
  readonly manifestSize: number;
  /** Of the compressed layer. */
  readonly layer: Digest;
}

/** Puts an image of one layer into a registry, as if somebody had pushed it. */
export function publishImage(
  registry: TestRegistry,
  {
    repository,
    tag,
    tar,
    env,
    architecture = "amd64",
  }: { repository: string; tag: string; tar: Uint8Array; env: string[]; architecture?: string },
): Published {
  const config = Buffer.from(
    JSON.stringify({
      architecture,
      os: "linux",
      config: { Env: env },
      rootfs: { type: "layers", diff_ids: [sha256(tar)] },
    }),
  );
  const describeBlob = (bytes: Buffer, mediaType: string) => ({
    mediaType,
    digest: registry.blob(bytes),
    size: bytes.length,
  });
  const layer = describeBlob(gzipSync(tar), mediaTypes.ociLayerGzip);
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: describeBlob(config, mediaTypes.ociConfig),
    layers: [layer],
  };
  const digest = registry.manifest(repository, tag, manifest, mediaTypes.ociManifest);
  return {
    manifest: digest,
    manifestSize: Buffer.byteLength(JSON.stringify(manifest)),
    layer: layer.digest,
  };
}

/** The same for several architectures, behind an index. Returns the digests of their layers. */
export function publishIndex(
  registry: TestRegistry,
  { repository, tag, tars }: { repository: string; tag: string; tars: Readonly<Record<string, Uint8Array>> },
): Digest[] {
  const images = Object.entries(tars).map(([architecture, tar]) => {
    const image = publishImage(registry, {
      repository,
      tag: `${tag}-${architecture}`,
      tar,
      env: [],
      architecture,
    });
    return { architecture, ...image };
  });
  const manifests = images.map(({ architecture, manifest, manifestSize }) => ({
    mediaType: mediaTypes.ociManifest,
    digest: manifest,
    size: manifestSize,
    platform: { os: "linux", architecture },
  }));
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
  registry.manifest(repository, tag, index, mediaTypes.ociIndex);
  return images.map(({ layer }) => layer);
}
