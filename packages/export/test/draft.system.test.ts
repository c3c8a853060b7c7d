import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import {
  type CommitRequest,
  commitAndDraft,
  commitImage,
  type ExportRequest,
  exportResult,
} from "@tsbuild/export";
import { openStore, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const missing = process.getuid?.() === 0 ? undefined : "they need root (owners of files)";
if (missing !== undefined) console.log(`skipping the tests of begun archives: ${missing}`);

let folder = "";
let store: Store;

function layer(below: SnapshotId | null, script: string): SnapshotId {
  const active = store.snapshots.prepare(below);
  execFileSync("bash", ["-euc", script], { cwd: active.upper, stdio: ["ignore", "ignore", "inherit"] });
  return store.snapshots.commit(active);
}

function layerOf(script: string, { measured = false } = {}): () => Promise<SnapshotId> {
  return async () => {
    const top = layer(null, script);
    if (measured) await commitImage(store, requestFor(top));
    return top;
  };
}

function requestFor(snapshot: SnapshotId, options: Partial<CommitRequest> = {}): CommitRequest {
  return {
    config: { architecture: "amd64", os: "linux", config: {}, rootfs: { type: "layers", diff_ids: [] } },
    snapshot,
    names: ["docker.io/library/begun:1", "registry.example/other:latest"],
    platform: { os: "linux", architecture: "amd64" },
    register: false,
    ...options,
  };
}

function output(name: string, attributes: Readonly<Record<string, string>> = {}): ExportRequest {
  const { type = "oci", ...attrs } = attributes;
  return {
    type: type as ExportRequest["type"],
    dest: join(folder, name),
    attrs: { compression: "uncompressed", ...attrs },
  };
}

/** Two large files, each behind names and attributes that take headers of their own, and small ones around them. */
const SCRIPT = `
  long=$(printf 'n%.0s' {1..150}); mkdir -p $long/$'\\xc3\\xa9'
  seq 30000 > small; seq 900000 > $long/$'\\xc3\\xa9'/first; ln $long/$'\\xc3\\xa9'/first link
  touch -d @12345.678901234 small; mknod gone c 0 0; ln -s $long/$long to
  setfattr -n user.note -v text $long; head -c 5000001 /dev/urandom > z-second; echo end > zz`;

const LARGE = "head -c 6000000 /dev/urandom > large";

beforeAll(() => {
  if (missing !== undefined) return;
  folder = mkdtempSync("/var/tmp/tsbuild-draft-");
  store = openStore({ root: join(folder, "state") });
});
afterAll(async () => {
  if (missing !== undefined) return;
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

function temporaryFiles(): string[] {
  return readdirSync(folder).filter((name) => name.endsWith(".tmp"));
}

/** What has been written so far of an archive. */
function begun(): Buffer {
  return readFileSync(join(folder, temporaryFiles()[0] ?? "nothing was begun"));
}

function contentOf(snapshot: SnapshotId, name: string): Buffer {
  return readFileSync(join(store.snapshots.lowers(snapshot)[0]!, name));
}

describe.skipIf(missing !== undefined)("an archive that is begun while its layers are measured", () => {
  const { signal } = new AbortController();

  test.each([
    ["oci", {}],
    ["docker", { type: "docker" }],
    ["annotated", { "annotation.a": "b", "annotation-manifest-descriptor.c": "d", name: "x.example/y:2" }],
  ])("has its large files in place, and becomes the one written in one go: %s", async (name, attrs) => {
    const base = layer(null, "seq 100 > base");
    await commitImage(store, requestFor(base));
    const middle = layer(base, "head -c 4500000 /dev/urandom > middle; seq 5000 > zz");
    const top = layer(middle, SCRIPT);
    const asked = output(`${name}.tar`, attrs);
    const outputs = [output("folder", { tar: "false" }), asked];
    const { image, draft } = await commitAndDraft(store, requestFor(top), outputs);
    const early = begun();
    await exportResult(asked, image, { store, signal, draft });
    await draft?.file.drop();
    const archive = readFileSync(join(folder, `${name}.tar`));
    for (const content of [contentOf(middle, "middle"), contentOf(top, "link"), contentOf(top, "z-second")]) {
      const at = archive.indexOf(content);
      expect(at).toBeGreaterThan(0);
      expect(early.subarray(at, at + content.length).equals(content)).toBe(true);
    }
    await exportResult(output("at-once.tar", attrs), image, { store, signal });
    expect(archive.equals(readFileSync(join(folder, "at-once.tar")))).toBe(true);
    expect(temporaryFiles()).toEqual([]);
  });

  test("does not hold what is elsewhere, nor a file that may have changed", async () => {
    const { image, draft } = await commitAndDraft(store, requestFor(layer(null, LARGE)), [output("x.tar")]);
    const large = join(image.layers[0]!.folder, "large");
    const at = begun().indexOf(readFileSync(large));
    const fd = openSync(large, "r");
    const piece = { fd, offset: 1000, length: 500 };
    const held = [await draft!.holds(piece, at + 1000), await draft!.holds(piece, at + 1001)];
    chmodSync(large, 0o600);
    held.push(await draft!.holds(piece, at + 1000));
    closeSync(fd);
    await draft!.file.drop();
    expect(held).toEqual([true, false, false]);
    expect([temporaryFiles(), readdirSync(folder).includes("x.tar")]).toEqual([[], false]);
  });

  test.each([
    ["small files", layerOf("seq 1000 > small"), {}],
    ["layers that were measured", layerOf(LARGE, { measured: true }), {}],
    ["compression", layerOf(LARGE), { compression: "zstd" }],
    ["a folder", layerOf(LARGE), { tar: "false" }],
  ])("is not begun for %s", async (_, make, attrs) => {
    const { draft } = await commitAndDraft(store, requestFor(await make()), [output("none.tar", attrs)]);
    expect(draft).toBeUndefined();
    expect(temporaryFiles()).toEqual([]);
  });

  test("fails as the output would, and leaves nothing", async () => {
    const nowhere = commitAndDraft(store, requestFor(layer(null, LARGE)), [output("no/such.tar")]);
    const hint = expect.stringContaining("mkdir -p");
    await expect(nowhere).rejects.toMatchObject({ code: "TSB_EXPORT", hint });
    const request = requestFor(layer(null, LARGE), { signal: AbortSignal.abort() });
    await expect(commitAndDraft(store, request, [output("canceled.tar")])).rejects.toThrow("aborted");
    expect(temporaryFiles()).toEqual([]);
  });
});
