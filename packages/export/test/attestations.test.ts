import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Digest, digestHex, type Platform, sha256 } from "@tsbuild/base";
import {
  type Attestation,
  type CommittedImage,
  commitImage,
  type ExportRequest,
  exportResult,
  imagePurl,
} from "@tsbuild/export";
import { ImageLayout, type Index, type Manifest, parseReference } from "@tsbuild/oci";
import { createRegistryClient, type RegistryClient } from "@tsbuild/registry";
import { openStore, type Store } from "@tsbuild/store";
import { startRegistry, type TestRegistry } from "@tsbuild/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";

const AMD: Platform = { os: "linux", architecture: "amd64" };
const ARM: Platform = { os: "linux", architecture: "arm64" };
const CLAIM: Attestation = {
  predicateType: "https://slsa.dev/provenance/v1",
  predicate: { runDetails: { builder: { id: "me" } } },
  fileName: "provenance.json",
};
const BYTES: Attestation = {
  predicateType: "https://spdx.dev/Document",
  predicate: Buffer.from('{"spdxVersion":  "SPDX-2.3"}'),
  fileName: "sbom.spdx.json",
  inlineOnly: true,
};
const HELLO = digestHex(sha256(Buffer.from("hello\n")));

let folder = "";
let store: Store;
let registry: TestRegistry;
let client: RegistryClient;
let amd: CommittedImage;
let arm: CommittedImage;

async function imageOf(platform: Platform): Promise<CommittedImage> {
  const active = store.snapshots.prepare(null);
  writeFileSync(join(active.upper, "hello"), "hello\n");
  writeFileSync(join(active.upper, "arch"), platform.architecture);
  const snapshot = store.snapshots.commit(active);
  return commitImage(store, {
    config: {
      architecture: platform.architecture,
      os: "linux",
      rootfs: { type: "layers", diff_ids: [] },
      history: [{ created_by: "COPY" }],
    },
    snapshot,
    names: [`${registry.host}/demo:1`],
    platform,
    register: false,
  });
}

function write(
  request: Partial<ExportRequest> & { type: ExportRequest["type"] },
  images: readonly CommittedImage[],
) {
  const options = { store, signal: new AbortController().signal, registry: async () => client };
  return exportResult({ attrs: {}, ...request }, images, options);
}

function claimed(image: CommittedImage, ...attestations: Attestation[]): CommittedImage {
  return { ...image, attestations };
}

let outputs = 0;
function out(): string {
  return join(folder, `out-${outputs++}`);
}

function json<T>(bytes: Uint8Array): T {
  return JSON.parse(Buffer.from(bytes).toString()) as T;
}

function blobIn(layout: string, digest: Digest): Uint8Array {
  return readFileSync(join(layout, "blobs/sha256", digestHex(digest)));
}

/** The index that a layout's first entry is. */
async function layoutIndex(attrs: Record<string, string>, images: readonly CommittedImage[]) {
  const dest = out();
  await write({ type: "oci", dest, attrs: { tar: "false", compression: "uncompressed", ...attrs } }, images);
  const top = json<Index>(readFileSync(join(dest, "index.json")));
  const [root] = top.manifests;
  if (root === undefined) throw new Error("an empty layout");
  return { dest, root, index: json<Index>(blobIn(dest, root.digest)) };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsbuild-attest-"));
  store = openStore({ root: join(folder, "state") });
  registry = await startRegistry();
  client = createRegistryClient({ hosts: {} });
  amd = await imageOf(AMD);
  arm = await imageOf(ARM);
});

afterAll(async () => {
  await client.close();
  await registry.close();
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

test("an attestation makes an index of a single image, with a manifest that names what it is about (X027)", async () => {
  const { dest, index } = await layoutIndex({}, [claimed(amd, CLAIM, BYTES)]);
  const [image, claim] = index.manifests;
  expect(index.manifests).toHaveLength(2);
  expect(claim).toMatchObject({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    platform: { os: "unknown", architecture: "unknown" },
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": image?.digest,
    },
  });
  const manifest = json<Manifest>(blobIn(dest, claim?.digest as Digest));
  expect(manifest.layers.map(({ mediaType, annotations }) => [mediaType, annotations])).toEqual([
    ["application/vnd.in-toto+json", { "in-toto.io/predicate-type": CLAIM.predicateType }],
    ["application/vnd.in-toto+json", { "in-toto.io/predicate-type": BYTES.predicateType }],
  ]);
  const config = json<{ rootfs: { diff_ids: unknown } }>(blobIn(dest, manifest.config.digest));
  expect(config).toMatchObject({ architecture: "unknown", os: "unknown" });
  expect(config.rootfs.diff_ids).toEqual(manifest.layers.map(({ digest }) => digest));
  const [provenance, sbom] = manifest.layers.map(({ digest }) => blobIn(dest, digest));
  expect(json(provenance as Uint8Array)).toEqual({
    _type: "https://in-toto.io/Statement/v0.1",
    predicateType: CLAIM.predicateType,
    subject: [
      {
        name: `pkg:docker/${registry.host}/demo@1?platform=linux%2Famd64`,
        digest: { sha256: digestHex(image?.digest as Digest) },
      },
    ],
    predicate: CLAIM.predicate,
  });
  expect(Buffer.from(sbom as Uint8Array).toString()).toContain('"predicate":{"spdxVersion":  "SPDX-2.3"}}');
  // Images are found as ever.
  expect(new ImageLayout(dest).resolve({ tag: "1" }, AMD).manifest.layers).toHaveLength(1);
});

test("as artifacts they have subject, artifactType and an empty config", async () => {
  const { dest, index } = await layoutIndex({ "oci-artifact": "true" }, [claimed(amd, CLAIM)]);
  const [image, claim] = index.manifests;
  const manifest = json<Manifest>(blobIn(dest, claim?.digest as Digest));
  expect(manifest).toMatchObject({
    artifactType: "application/vnd.docker.attestation.manifest.v1+json",
    config: { mediaType: "application/vnd.oci.empty.v1+json", size: 2, data: "e30=" },
    subject: { mediaType: image?.mediaType, digest: image?.digest, size: image?.size },
  });
});

test("without one an image stays a manifest, and several are an index in the order of the flag (W032, X025)", async () => {
  const { index: plain } = await layoutIndex({}, [amd]);
  expect(plain).not.toHaveProperty("manifests");
  const { index } = await layoutIndex({}, [arm, claimed(amd, CLAIM)]);
  expect(index.manifests.map(({ platform }) => platform?.architecture)).toEqual([
    "arm64",
    "amd64",
    "unknown",
  ]);
});

test("annotations go where their scope says (C018, X026)", async () => {
  const attrs = {
    "annotation.all": "1",
    "annotation[linux/arm64].arm": "2",
    "annotation-index.whole": "3",
    "annotation-manifest-descriptor[linux/amd64].listed": "4",
    "annotation-index-descriptor.top": "5",
  };
  const { dest, root, index } = await layoutIndex(attrs, [amd, arm]);
  expect(root.annotations).toMatchObject({ top: "5" });
  expect(index.annotations).toEqual({ whole: "3" });
  expect(index.manifests.map(({ annotations }) => annotations)).toEqual([{ listed: "4" }, undefined]);
  const manifests = index.manifests.map(({ digest }) => json<Manifest>(blobIn(dest, digest)).annotations);
  expect(manifests).toEqual([{ all: "1" }, { all: "1", arm: "2" }]);
});

test.each([
  ["annotation-index.a", "one platform alone has none"],
  ["annotation[linux/s390x].a", "linux/s390x, which is not built"],
])("%s is refused where it would be dropped", async (option, message) => {
  const writing = layoutIndex({ [option]: "x" }, [amd]);
  await expect(writing).rejects.toMatchObject({
    code: "TSB_USAGE",
    message: expect.stringContaining(message),
  });
});

test("docker's archive refuses them", async () => {
  const writing = write({ type: "docker", dest: out() }, [claimed(amd, CLAIM)]);
  await expect(writing).rejects.toMatchObject({ code: "TSB_UNSUPPORTED" });
});

test("a push sends index, images and attestations", async () => {
  const { manifest, pushed } = await write({ type: "registry" }, [claimed(amd, CLAIM), claimed(arm, CLAIM)]);
  expect(pushed).toEqual([`${registry.host}/demo:1`]);
  const repository = parseReference(`${registry.host}/demo:1`);
  const found = await client.manifest(repository);
  expect(found.digest).toBe(manifest);
  for (const entry of json<Index>(found.bytes).manifests) {
    const child = await client.manifest({ ...repository, tag: undefined, digest: entry.digest });
    for (const { digest } of json<Manifest>(child.bytes).layers)
      expect(await client.exists(repository, digest)).toBe(true);
  }
});

test("as referrers they leave the image a plain manifest, and are found by it (R010)", async () => {
  const attrs = { "attest-as": "referrers", name: `${registry.host}/referred:1` };
  const { manifest } = await write({ type: "registry", attrs }, [claimed(amd, CLAIM, BYTES)]);
  const repository = parseReference(`${registry.host}/referred:1`);
  const image = await client.manifest(repository);
  expect(json<Manifest>(image.bytes).layers).toHaveLength(1);
  const referrers = await client.listReferrers(repository, manifest as Digest);
  expect(referrers.map(({ artifactType }) => artifactType)).toEqual(
    Array(2).fill("application/vnd.in-toto+json"),
  );
  const [first] = referrers;
  const found = await client.manifest({ ...repository, tag: undefined, digest: first?.digest });
  expect(json<Manifest>(found.bytes).subject?.digest).toBe(manifest);
});

test("outputs of files get them as files, about every file (X014, X028)", async () => {
  const dest = out();
  mkdirSync(dest);
  writeFileSync(join(folder, "elsewhere"), "mine");
  symlinkSync(join(folder, "elsewhere"), join(dest, "provenance.json"));
  await write({ type: "local", dest }, [claimed(amd, CLAIM, BYTES)]);
  expect(readdirSync(dest).sort()).toEqual(["arch", "hello", "provenance.json"]);
  const statement = json<{ subject: unknown[] }>(readFileSync(join(dest, "provenance.json")));
  expect(statement.subject).toContainEqual({ name: "hello", digest: { sha256: HELLO } });
  expect(readFileSync(join(folder, "elsewhere"), "utf8")).toBe("mine");
});

test("of several platforms each folder has its own; in one folder their names say which", async () => {
  const split = out();
  const flat = out();
  const images = [claimed(amd, CLAIM), claimed(arm, CLAIM)];
  await write({ type: "local", dest: split }, images);
  expect(readdirSync(join(split, "linux_arm64")).sort()).toEqual(["arch", "hello", "provenance.json"]);
  await write(
    { type: "local", dest: flat, attrs: { "platform-split": "false", "attestation-prefix": "a-" } },
    images,
  );
  expect(readdirSync(flat).sort()).toEqual([
    "a-provenance.linux_amd64.json",
    "a-provenance.linux_arm64.json",
    "arch",
    "hello",
  ]);
});

test("a file of the result is never written over", async () => {
  const writing = write({ type: "local", dest: out() }, [claimed(amd, { ...CLAIM, fileName: "hello" })]);
  await expect(writing).rejects.toMatchObject({ code: "TSB_EXPORT" });
});

test.each([
  ["debian:bookworm", "pkg:docker/debian@bookworm?platform=linux%2Famd64"],
  ["ghcr.io/a/b", "pkg:docker/ghcr.io/a/b@latest?platform=linux%2Famd64"],
  ["localhost:5000/x:1", "pkg:docker/localhost:5000/x@1?platform=linux%2Famd64"],
])("the purl of %s is %s", (name, purl) => {
  expect(imagePurl(name, { platform: AMD })).toBe(purl);
});
