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
  { repository, tag, tar, env }: { repository: string; tag: string; tar: Uint8Array; env: string[] },
): Published {
  const config = Buffer.from(
    JSON.stringify({
      architecture: "amd64",
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
