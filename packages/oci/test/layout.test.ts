import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { sha256 } from "@tsbuild/base";
import {
  bytesOf,
  type Descriptor,
  ImageLayout,
  type Index,
  type LayoutBlob,
  layoutMembers,
  mediaTypes,
  readTar,
  serializeIndex,
  serializeManifest,
  writeLayout,
  writeTarPieces,
} from "@tsbuild/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collect, streamOf } from "./bytes.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbuild-layout-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function blob(content: string | Buffer): LayoutBlob & { readonly bytes: Buffer } {
  const bytes = Buffer.from(content);
  return { digest: sha256(bytes), size: bytes.length, bytes };
}

function describeBlob(mediaType: string, { digest, size }: LayoutBlob): Descriptor {
  return { mediaType, digest, size };
}

const config = blob('{"architecture":"amd64","os":"linux"}');
const layer = blob("not really a layer");
const manifest = blob(
  serializeManifest({
    schemaVersion: 2,
    config: describeBlob(mediaTypes.ociConfig, config),
    layers: [describeBlob(mediaTypes.ociLayer, layer)],
  }),
);
const image = describeBlob(mediaTypes.ociManifest, manifest);

function tagged(tag: string, descriptor = image): Descriptor {
  return { ...descriptor, annotations: { "org.opencontainers.image.ref.name": tag } };
}

function indexOf(...manifests: Descriptor[]): Index {
  return { schemaVersion: 2, manifests };
}

const AMD64 = { os: "linux", architecture: "amd64" };

async function write(...manifests: Descriptor[]): Promise<ImageLayout> {
  const nested = blob(serializeIndex(indexOf({ ...image, platform: AMD64 })));
  await writeLayout(folder, { index: indexOf(...manifests), blobs: [config, layer, manifest, nested] });
  return new ImageLayout(folder);
}

describe("a layout in a folder", () => {
  test("gives the image by tag, by digest, and without either when there is one", async () => {
    const layout = await write(tagged("1.0"));
    for (const selector of [{ tag: "1.0" }, { digest: manifest.digest }, {}]) {
      expect(layout.resolve(selector, AMD64).manifest.layers[0]?.digest).toBe(layer.digest);
    }
    expect(readFileSync(layout.blobPath(layer.digest), "utf8")).toBe("not really a layer");
    expect(readdirSync(folder).sort()).toEqual(["blobs", "index.json", "oci-layout"]);
  });

  test("finds the platform in a nested index, and says which there are", async () => {
    const nested = blob(serializeIndex(indexOf({ ...image, platform: AMD64 })));
    const layout = await write(tagged("multi", describeBlob(mediaTypes.ociIndex, nested)));
    expect(layout.resolve({ tag: "multi" }, AMD64).descriptor.digest).toBe(manifest.digest);
    expect(() => layout.resolve({ tag: "multi" }, { os: "linux", architecture: "s390x" })).toThrow(
      expect.objectContaining({ code: "TSB_RESOLVE", hint: "it has linux/amd64" }),
    );
  });

  test("with one image under several names is still one image", async () => {
    const layout = await write(tagged("1"), tagged("1.0"));
    expect(layout.find({}).digest).toBe(manifest.digest);
    expect(() => layout.find({ tag: "2" })).toThrow(
      expect.objectContaining({ hint: "it has the tags 1, 1.0" }),
    );
  });

  test("with several images asks which", async () => {
    const layout = await write(tagged("a"), tagged("b", describeBlob(mediaTypes.ociManifest, config)));
    expect(() => layout.find({})).toThrow("holds 2 images");
  });

  test("whose manifest was changed is refused", async () => {
    const layout = await write(tagged("1"));
    writeFileSync(layout.blobPath(manifest.digest), `${manifest.bytes} `);
    expect(() => layout.resolve({}, AMD64)).toThrow(expect.objectContaining({ code: "TSB_INTEGRITY" }));
  });

  test("whose indexes contain each other ends in an error", async () => {
    // A real loop would need a collision; a chain deeper than anyone's does the same.
    let top = describeBlob(mediaTypes.ociManifest, manifest);
    const chain: LayoutBlob[] = [];
    for (let depth = 0; depth < 6; depth++) {
      const link = blob(serializeIndex(indexOf(top)));
      chain.push(link);
      top = describeBlob(mediaTypes.ociIndex, link);
    }
    await writeLayout(folder, { index: indexOf(top), blobs: [manifest, ...chain] });
    expect(() => new ImageLayout(folder).resolve({}, AMD64)).toThrow("nested too deep");
  });

  test("that is none is named", () => {
    expect(() => new ImageLayout(join(folder, "missing"))).toThrow(
      expect.objectContaining({ code: "TSB_RESOLVE" }),
    );
  });

  test("that cannot be written whole has no index, and nothing half written; what it makes is told before", async () => {
    const made: string[] = [];
    const broken: LayoutBlob = {
      digest: layer.digest,
      size: layer.size,
      // biome-ignore lint/correctness/useYield: it fails before it has anything
      open: async function* (): AsyncGenerator<Uint8Array> {
        throw new Error("no space left");
      },
    };
    const contents = { index: indexOf(image), blobs: [config, broken] };
    const written = writeLayout(folder, contents, { onTemporary: (path) => made.push(path) });
    await expect(written).rejects.toThrow("no space left");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
    expect(files.filter((name) => /index|tmp/.test(name))).toEqual([]);
    expect(new Set(made.map((path) => dirname(path)))).toEqual(
      new Set([folder, join(folder, "blobs/sha256")]),
    );
  });

  test("as a tar has each blob once, and the same bytes every time", async () => {
    const contents = { index: indexOf(image), blobs: [manifest, config, layer, layer, config] };
    const bytes = await collect(bytesOf(writeTarPieces(layoutMembers(contents))));
    const paths: string[] = [];
    for await (const { entry } of readTar(streamOf(bytes))) paths.push(entry.path);
    expect(paths.slice(0, 4)).toEqual(["blobs", "blobs/sha256", "oci-layout", "index.json"]);
    expect(paths).toHaveLength(7);
    expect((await collect(bytesOf(writeTarPieces(layoutMembers(contents))))).equals(bytes)).toBe(true);
  });
});
