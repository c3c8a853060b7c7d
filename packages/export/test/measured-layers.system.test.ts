import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import { type CommitRequest, type CommittedImage, commitImage, exportResult } from "@tsbuild/export";
import { decompress, variantName } from "@tsbuild/oci";
import { openStore, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const missing = process.getuid?.() === 0 ? undefined : "they need root (owners of files)";
if (missing !== undefined) console.log(`skipping the tests of measured layers: ${missing}`);

let folder = "";
let store: Store;

function shell(where: string, script: string): void {
  execFileSync("bash", ["-euc", script], { cwd: where, stdio: ["ignore", "ignore", "inherit"] });
}

function layer(script: string): SnapshotId {
  const active = store.snapshots.prepare(null);
  shell(active.upper, script);
  return store.snapshots.commit(active);
}

function commit(script: string, options: Partial<CommitRequest> = {}): Promise<CommittedImage> {
  return commitImage(store, {
    config: { architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [] } },
    snapshot: layer(script),
    names: [],
    platform: { os: "linux", architecture: "amd64" },
    register: false,
    ...options,
  });
}

function write(
  image: CommittedImage,
  name: string,
  attrs: Readonly<Record<string, string>>,
): Promise<unknown> {
  const { signal } = new AbortController();
  return exportResult({ type: "oci", dest: join(folder, name), attrs }, image, { store, signal });
}

beforeAll(() => {
  if (missing !== undefined) return;
  folder = mkdtempSync("/var/tmp/tsbuild-measured-");
  store = openStore({ root: join(folder, "state") });
});
afterAll(async () => {
  if (missing !== undefined) return;
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== undefined)("a layer that was measured", () => {
  test("and then changed behind our back is not written", async () => {
    const image = await commit("head -c 3000000 /dev/urandom > big");
    await write(image, "whole.tar", { compression: "uncompressed" });
    const [top] = image.layers;
    // The size stays, and so does the time that programs can set.
    shell(
      top!.folder,
      "touch -r big /tmp/.when; printf x | dd of=big conv=notrunc status=none; touch -r /tmp/.when big; rm /tmp/.when",
    );
    const writing = write(image, "changed.tar", { compression: "uncompressed" });
    await expect(writing).rejects.toMatchObject({ code: "TSB_STORE" });
    expect(existsSync(join(folder, "changed.tar"))).toBe(false);
  });

  test("can be compressed in the same pass, to the blob that an output asks for", async () => {
    const variant = { compression: "zstd", level: 5 } as const;
    const image = await commit("head -c 3000000 /dev/zero > zeros; seq 300000 > numbers", {
      compress: variant,
    });
    await write(image, "together.tar", { compression: "zstd", "compression-level": "5" });
    const [one] = image.layers;
    const made = store.blobs.compressed(one!.diffId, variantName(variant));
    expect(made?.mediaType).toBe("application/vnd.oci.image.layer.v1.tar+zstd");
    const hash = createHash("sha256");
    for await (const chunk of decompress(createReadStream(store.blobs.path(made!.digest))))
      hash.update(chunk);
    expect(`sha256:${hash.digest("hex")}`).toBe(one!.diffId);
  });
});
