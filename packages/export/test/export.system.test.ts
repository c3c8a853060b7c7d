import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import type { DiffId, SnapshotId } from "@tsbuild/base";
import {
  type CommitRequest,
  type CommittedImage,
  commitImage,
  type ExportRequest,
  exportResult,
} from "@tsbuild/export";
import { ImageLayout, LayerWorkers, type Manifest, parseImageConfig, parseManifest } from "@tsbuild/oci";
import { openStore, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";

const missing = process.getuid?.() === 0 ? undefined : "they need root (overlay mounts, file capabilities)";
if (missing !== undefined) console.log(`skipping the tests of exports: ${missing}`);

function has(program: string): boolean {
  const found = spawnSync(program, ["--version"]).status === 0;
  if (!found) console.log(`skipping the comparison with ${program}: it is not installed`);
  return found;
}

let folder = "";
let store: Store;
let image: CommittedImage;

function shell(where: string, script: string): string {
  return execFileSync("bash", ["-euc", script], {
    cwd: where,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** A snapshot with a real overlay mount, as a RUN makes it. */
function layer(parent: SnapshotId | null, script: string): SnapshotId {
  const active = store.snapshots.prepare(parent);
  if (parent === null) shell(active.upper, script);
  else {
    const mount = mkdtempSync(join(folder, "mount-"));
    const options = `lowerdir=${active.lowers.join(":")},upperdir=${active.upper},workdir=${active.work}`;
    shell(folder, `mount -t overlay none -o ${options} ${mount}`);
    try {
      shell(mount, script);
    } finally {
      shell(folder, `umount ${mount}; rmdir ${mount}`);
    }
  }
  return store.snapshots.commit(active);
}

function requestOf(snapshot: SnapshotId | null): CommitRequest {
  return {
    config: {
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["/bin/sh"], Env: ["PATH=/bin"], Labels: { b: "2", a: "1" } },
      rootfs: { type: "layers", diff_ids: [] },
      history: [
        { created_by: "COPY base" },
        { created_by: "ENV PATH=/bin", empty_layer: true },
        { created_by: "RUN change" },
      ],
    },
    snapshot,
    names: ["docker.io/library/demo:1", "registry.example.com/team/demo:2"],
    platform: { os: "linux", architecture: "amd64" },
  };
}

const signal = new AbortController().signal;

function write(
  request: Partial<ExportRequest> & { type: ExportRequest["type"] },
  one: CommittedImage = image,
) {
  return exportResult({ attrs: {}, ...request }, one, { store, signal });
}

function out(name: string): string {
  return join(folder, name);
}

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = mkdtempSync("/var/tmp/tsbuild-export-");
  store = openStore({ root: join(folder, "state") });
  const base = layer(
    null,
    "mkdir -p bin etc data/gone; cp /bin/true bin/true; setcap cap_net_raw+ep bin/true; echo a > etc/a; ln etc/a etc/b; head -c 5000000 /dev/urandom > data/noise; echo x > data/gone/x; echo x > data/gone/y; chown 1000:1000 etc/a",
  );
  const top = layer(
    base,
    "rm -r data/gone; echo new > etc/new; ln -s a etc/link; mkfifo etc/pipe; rm data/noise; setfattr -n user.x -v 0x00ff bin",
  );
  image = await commitImage(store, requestOf(top));
});

afterAll(async () => {
  if (missing !== undefined) return;
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

describe.skipIf(missing !== undefined)("commitImage", () => {
  test("stores config and manifest, and puts the names", () => {
    const config = parseImageConfig(store.blobs.read(image.imageId));
    expect(config).toEqual(image.config);
    const manifest = parseManifest(store.blobs.read(image.manifest));
    expect(manifest.layers.map(({ digest }) => digest)).toEqual(config.rootfs.diff_ids);
    expect(config.history?.filter(({ empty_layer }) => empty_layer !== true)).toHaveLength(2);
    expect(config.created).toBe(config.history?.at(-1)?.created);
    for (const name of image.names) {
      expect(store.images.get(name)).toMatchObject({
        config: image.imageId,
        manifest: image.manifest,
        snapshot: image.snapshot,
      });
    }
  });

  test("of the same result is the same image, without packing again", async () => {
    const measuring = vi.spyOn(LayerWorkers.prototype, "measure");
    const packing = vi.spyOn(LayerWorkers.prototype, "pack");
    const again = await commitImage(store, { ...requestOf(image.snapshot), workers: undefined });
    expect([measuring.mock.calls, packing.mock.calls]).toEqual([[], []]);
    vi.restoreAllMocks();
    expect(again.imageId).toBe(image.imageId);
    expect(again.manifest).toBe(image.manifest);
    const layers = image.snapshot === null ? [] : store.snapshots.layers(image.snapshot);
    expect(layers.map(({ diffId }) => diffId)).toEqual(image.layers.map(({ diffId }) => diffId));
  });

  test("makes every prefix of the stack findable", async () => {
    const { chainId } = await import("@tsbuild/base");
    const ids: readonly DiffId[] = image.config.rootfs.diff_ids;
    const top = chainId(ids);
    const below = chainId(ids.slice(0, 1));
    if (top === undefined || below === undefined || image.snapshot === null) throw new Error("no chain");
    expect(store.snapshots.byChainId(top)).toBe(image.snapshot);
    expect(store.snapshots.byChainId(below)).toBe(store.snapshots.parent(image.snapshot));
  });

  test("without a name is found by its ID, without registering not at all", async () => {
    const { imageId } = await commitImage(store, { ...requestOf(null), names: [], register: false });
    const name = `docker.io/library/${imageId}`;
    expect(store.images.get(name)).toBeUndefined();
    await commitImage(store, { ...requestOf(null), names: [] });
    expect(store.images.get(name)?.config).toBe(imageId);
  });

  test("cuts times off at the epoch", async () => {
    const { config } = await commitImage(store, {
      ...requestOf(image.snapshot),
      names: [],
      epochSeconds: 1_000_000_000,
    });
    expect(config.created).toBe("2001-09-09T01:46:40Z");
    expect(new Set(config.history?.map(({ created }) => created))).toEqual(new Set(["2001-09-09T01:46:40Z"]));
  });
});

/** Digests of the layers of a layout, decompressed: what the config must say. */
function diffIdsOf(layout: ImageLayout, manifest: Manifest): string[] {
  return manifest.layers.map((one) => {
    const blob = readFileSync(layout.blobPath(one.digest));
    expect(`sha256:${createHash("sha256").update(blob).digest("hex")}`).toBe(one.digest);
    const gunzip = one.mediaType.endsWith("gzip")
      ? gunzipSync
      : one.mediaType.endsWith("zstd")
        ? zstdDecompressSync
        : Buffer.from;
    return `sha256:${createHash("sha256").update(gunzip(blob)).digest("hex")}`;
  });
}

describe.skipIf(missing !== undefined)("an OCI layout", () => {
  test.each(["gzip", "zstd", "uncompressed"])("with %s layers is whole and true", async (compression) => {
    const dest = out(`layout-${compression}`);
    const { manifest } = await write({ type: "oci", dest, attrs: { tar: "false", compression } });
    const layout = new ImageLayout(dest);
    expect(layout.index.manifests.map(({ annotations }) => annotations)).toEqual(
      image.names.map((name, index) => ({
        "io.containerd.image.name": name,
        "org.opencontainers.image.created": image.config.created,
        "org.opencontainers.image.ref.name": String(index + 1),
      })),
    );
    const resolved = layout.resolve({ tag: "2" }, image.platform);
    expect(resolved.descriptor.digest).toBe(manifest);
    expect(resolved.manifest.config.digest).toBe(image.imageId);
    expect(diffIdsOf(layout, resolved.manifest)).toEqual(image.config.rootfs.diff_ids);
    expect(readdirSync(join(dest, "blobs/sha256"))).toHaveLength(4);
  });

  test("is the same file every time, and compresses only once", async () => {
    await write({ type: "oci", dest: out("one.tar") });
    const blobs = readdirSync(join(store.root, "v1/blobs/sha256")).length;
    await write({ type: "oci", dest: out("two.tar") });
    expect(readFileSync(out("two.tar")).equals(readFileSync(out("one.tar")))).toBe(true);
    expect(readdirSync(join(store.root, "v1/blobs/sha256"))).toHaveLength(blobs);
  });

  test("goes to standard output", async () => {
    const stdout = new PassThrough();
    const chunks: Buffer[] = [];
    stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    await exportResult({ type: "oci", dest: "-", attrs: {} }, image, { store, signal, stdout });
    await write({ type: "oci", dest: out("file.tar") });
    expect(Buffer.concat(chunks).equals(readFileSync(out("file.tar")))).toBe(true);
  });

  test("keeps the blobs of a pulled base as they are, unless forced", async () => {
    const [bottom] = image.layers;
    if (bottom === undefined) throw new Error("no layer");
    const { gzipSync } = await import("node:zlib");
    const tar = gunzipSync(
      readFileSync(store.blobs.path(store.blobs.compressed(bottom.diffId, "any")?.digest ?? image.imageId)),
    );
    const pulled = gzipSync(tar, { level: 1 });
    const digest = store.blobs.write(pulled);
    store.blobs.setCompressed(bottom.diffId, "pulled", {
      mediaType: "application/vnd.docker.image.rootfs.diff.tar.gzip",
      digest,
      size: pulled.length,
    });
    for (const [force, same] of [
      ["false", true],
      ["true", false],
    ] as const) {
      const dest = out(`pulled-${force}`);
      await write({
        type: "oci",
        dest,
        attrs: { tar: "false", compression: "zstd", "force-compression": force },
      });
      const layout = new ImageLayout(dest);
      const { manifest } = layout.resolve({ tag: "1" }, image.platform);
      expect(manifest.layers[0]?.digest === digest).toBe(same);
      expect(manifest.layers[0]?.mediaType).toMatch(same ? /oci.*gzip$/ : /oci.*zstd$/);
      expect(diffIdsOf(layout, manifest)).toEqual(image.config.rootfs.diff_ids);
    }
  });

  test("of several platforms has an index", async () => {
    const arm = {
      ...image,
      config: { ...image.config, architecture: "arm64" },
      platform: { os: "linux", architecture: "arm64" },
    };
    const dest = out("multi");
    await exportResult({ type: "oci", dest, attrs: { tar: "false" } }, [image, arm], { store, signal });
    const layout = new ImageLayout(dest);
    for (const platform of [image.platform, arm.platform]) {
      const { manifest } = layout.resolve({ tag: "1" }, platform);
      expect(parseImageConfig(layout.readDocument(manifest.config)).architecture).toBe(platform.architecture);
    }
    const docker = exportResult({ type: "docker", dest: out("no.tar"), attrs: {} }, [image, arm], {
      store,
      signal,
    });
    await expect(docker).rejects.toMatchObject({ code: "TSB_UNSUPPORTED" });
  });

  test("can have the times of its own layers cut off, never the base's", async () => {
    const [base, top] = image.layers;
    const request = requestOf(image.snapshot);
    const config = {
      ...request.config,
      rootfs: { type: "layers" as const, diff_ids: base === undefined ? [] : [base.diffId] },
    };
    const dated = await commitImage(store, {
      ...request,
      config,
      names: [],
      epochSeconds: 1_000_000_000,
      register: false,
    });
    const attrs = {
      tar: "false",
      "rewrite-timestamp": "true",
      compression: "uncompressed",
      "force-compression": "true",
    };
    await write({ type: "oci", dest: out("cut"), attrs }, dated);
    const layout = new ImageLayout(out("cut"));
    const { manifest } = layout.resolve({}, image.platform);
    expect(manifest.layers[0]?.digest).toBe(base?.diffId);
    expect(manifest.layers[1]?.digest).not.toBe(top?.diffId);
    const { rootfs } = parseImageConfig(layout.readDocument(manifest.config));
    expect(diffIdsOf(layout, manifest)).toEqual(rootfs.diff_ids);
    const times = shell(
      folder,
      `tar --utc --full-time -tvf ${layout.blobPath(manifest.layers[1]?.digest ?? dated.imageId)} etc/new`,
    );
    expect(times).toContain("2001-09-09 01:46:40");
    const undated = write({ type: "oci", dest: out("undated"), attrs });
    await expect(undated).rejects.toMatchObject({
      code: "TSB_USAGE",
      hint: expect.stringContaining("SOURCE_DATE_EPOCH"),
    });
  });

  test("carries annotations", async () => {
    const dest = out("annotated");
    const attrs = { tar: "false", "annotation.a": "1", "annotation-manifest-descriptor.b": "2" };
    await write({ type: "oci", dest, attrs });
    const layout = new ImageLayout(dest);
    expect(layout.resolve({ tag: "1" }, image.platform).manifest.annotations).toEqual({ a: "1" });
    expect(layout.index.manifests[0]?.annotations).toMatchObject({ b: "2" });
  });
});

describe.skipIf(missing !== undefined)("other tools", () => {
  test.skipIf(!has("skopeo"))("skopeo reads and verifies every form", async () => {
    const forms: [string, Partial<ExportRequest> & { type: ExportRequest["type"] }][] = [
      ["oci-archive", { type: "oci", attrs: { name: "demo:1" } }],
      ["oci-archive", { type: "oci", attrs: { name: "demo:1", compression: "zstd" } }],
      ["docker-archive", { type: "docker", attrs: { name: "demo:1" } }],
      ["docker-archive", { type: "docker", attrs: { name: "demo:1", compression: "uncompressed" } }],
      ["oci-archive", { type: "docker", attrs: { name: "demo:1" } }],
    ];
    for (const [index, [transport, request]] of forms.entries()) {
      const dest = out(`skopeo-${index}.tar`);
      await write({ ...request, dest });
      const config = JSON.parse(
        shell(folder, `skopeo inspect --config --raw ${transport}:${dest}`),
      ) as unknown;
      expect(config).toEqual(image.config);
      shell(folder, `skopeo copy -q ${transport}:${dest} dir:${out(`copied-${index}`)}`);
    }
  });

  test.skipIf(!has("umoci"))("umoci unpacks the files that we export", async () => {
    const layout = out("for-umoci");
    await write({ type: "oci", dest: layout, attrs: { tar: "false", name: "demo:1" } });
    shell(folder, `umoci unpack --image ${layout}:1 ${out("bundle")}`);
    await write({ type: "tar", dest: out("ours.tar") });
    shell(folder, "mkdir ours; tar --xattrs --xattrs-include='*' --numeric-owner -xpf ours.tar -C ours");
    const report =
      "find . -mindepth 1 -printf '%P %M %n %U %G %T@ %l\\n' | sort; find . -type f -exec sha256sum {} + | sort; getfattr -R -h -d -m '^(user|security.capability)' . | grep -v umoci";
    expect(shell(out("bundle/rootfs"), report)).toBe(shell(out("ours"), report));
  });

  test.skipIf(!has("podman"))("podman loads the Docker archive under its names", async () => {
    const dest = out("podman.tar");
    await write({ type: "docker", dest });
    const storage = `--root ${out("podman-root")} --runroot ${out("podman-run")} --storage-driver vfs`;
    const loaded = shell(folder, `podman ${storage} load -q -i ${dest}`);
    expect(loaded).toContain("localhost/demo:1");
    expect(loaded).toContain("registry.example.com/team/demo:2");
    const id = shell(folder, `podman ${storage} image inspect --format '{{.Id}}' demo:1`).trim();
    expect(`sha256:${id}`).toBe(image.imageId);
  });
});

describe.skipIf(missing !== undefined)("files", () => {
  const FILES = ["bin/", "bin/true", "data/", "etc/", "etc/a", "etc/b", "etc/link", "etc/new", "etc/pipe"];

  test("come as one tar, whiteouts applied, with owners, links and capabilities", async () => {
    await write({ type: "tar", dest: out("files.tar") });
    expect(shell(folder, "tar tf files.tar").trimEnd().split("\n")).toEqual(FILES);
    expect(shell(folder, "tar --numeric-owner -tvf files.tar | grep etc/b")).toMatch(
      /^hrw-r--r-- 1000\/1000 .* etc\/b link to etc\/a/,
    );
  });

  test("come into a folder, and leave alone what is there unless it is mirrored", async () => {
    const dest = out("local");
    shell(folder, "mkdir -p local/etc; echo stale > local/stale; echo old > local/etc/a; chmod 700 local");
    await write({ type: "local", dest });
    const list = "find . -mindepth 1 -printf '%P%y\\n' | sed 's/d$/\\//; s/[flp]$//' | LC_ALL=C sort";
    expect(shell(dest, list).trimEnd().split("\n")).toEqual([...FILES, "stale"]);
    expect(shell(dest, "cat etc/a; readlink etc/link; getcap bin/true; getfattr -e hex -n user.x bin")).toBe(
      "a\na\nbin/true cap_net_raw=ep\n# file: bin\nuser.x=0x00ff\n\n",
    );
    expect(statSync(join(dest, "etc/a")).ino).toBe(statSync(join(dest, "etc/b")).ino);
    expect(statSync(join(dest, "etc/a")).uid).toBe(process.getuid?.());
    expect(statSync(dest).mode & 0o777).toBe(0o700);
    await write({ type: "local", dest, attrs: { mode: "delete" } });
    expect(shell(dest, list).trimEnd().split("\n")).toEqual(FILES);
  });

  test("of several platforms come in folders of their own", async () => {
    const arm = { ...image, platform: { os: "linux", architecture: "arm", variant: "v7" } };
    await exportResult({ type: "local", dest: out("split"), attrs: {} }, [image, arm], { store, signal });
    expect(readdirSync(out("split"))).toEqual(["linux_amd64", "linux_arm_v7"]);
    await exportResult({ type: "tar", dest: out("split.tar"), attrs: {} }, [image, arm], { store, signal });
    shell(folder, "mkdir unsplit; tar -xpf split.tar -C unsplit");
    expect(statSync(out("unsplit/linux_arm_v7/etc/a")).ino).toBe(
      statSync(out("unsplit/linux_arm_v7/etc/b")).ino,
    );
  });

  test("of an image without layers are none", async () => {
    const empty = await commitImage(store, { ...requestOf(null), names: [] });
    await write({ type: "tar", dest: out("empty.tar") }, empty);
    expect(shell(folder, "tar tf empty.tar")).toBe("");
    await write({ type: "local", dest: out("empty") }, empty);
    expect(readdirSync(out("empty"))).toEqual([]);
    await write({ type: "oci", dest: out("empty-image.tar") }, empty);
    expect(statSync(out("empty-image.tar")).size).toBeGreaterThan(1024);
  });
});

describe.skipIf(missing !== undefined)("an output that cannot be written", () => {
  test.each(["oci", "docker", "tar"] as const)("as %s on a full disk leaves nothing behind", async (type) => {
    const full = out(`full-${type}`);
    shell(folder, `mkdir ${full}; mount -t tmpfs -o size=16k none ${full}`);
    try {
      const writing = write({ type, dest: join(full, "out.tar") });
      await expect(writing).rejects.toMatchObject({
        code: "TSB_DISK_FULL",
        message: expect.stringContaining(full),
      });
      expect(readdirSync(full)).toEqual([]);
    } finally {
      shell(folder, `umount ${full}`);
    }
  });

  test("as files on a full disk says so", async () => {
    const full = out("full-local");
    shell(folder, `mkdir ${full}; mount -t tmpfs -o size=16k none ${full}`);
    try {
      await expect(write({ type: "local", dest: full })).rejects.toMatchObject({ code: "TSB_DISK_FULL" });
    } finally {
      shell(folder, `umount ${full}`);
    }
  });

  test("on a read-only file system is named", async () => {
    const fixed = out("fixed");
    shell(folder, `mkdir ${fixed}; mount -t tmpfs -o ro none ${fixed}`);
    try {
      const failure = { code: "TSB_EXPORT", message: expect.stringContaining(fixed) };
      await expect(write({ type: "oci", dest: join(fixed, "x.tar") })).rejects.toMatchObject(failure);
      await expect(write({ type: "oci", dest: fixed, attrs: { tar: "false" } })).rejects.toMatchObject(
        failure,
      );
      await expect(write({ type: "local", dest: fixed })).rejects.toMatchObject(failure);
    } finally {
      shell(folder, `umount ${fixed}`);
    }
  });

  test("for want of a place is a matter of usage", async () => {
    await expect(write({ type: "local" })).rejects.toMatchObject({ code: "TSB_USAGE" });
    await expect(write({ type: "oci", attrs: { tar: "false" } })).rejects.toMatchObject({
      code: "TSB_USAGE",
    });
  });

  test("because a layer's bytes cannot be made again says so, and leaves nothing", async () => {
    const [base, top] = image.layers;
    if (base === undefined || top === undefined) throw new Error("no layers");
    const diffId = `sha256:${"0".repeat(64)}` as DiffId;
    const broken = { ...image, layers: [base, { ...top, diffId, tree: undefined }] };
    for (const compression of ["gzip", "uncompressed"]) {
      const writing = write({ type: "oci", dest: out("broken.tar"), attrs: { compression } }, broken);
      await expect(writing).rejects.toMatchObject({
        code: "TSB_STORE",
        message: expect.stringContaining(diffId),
      });
      expect(existsSync(out("broken.tar"))).toBe(false);
    }
  });

  test("when it was canceled leaves nothing", async () => {
    const abort = AbortSignal.abort();
    const writing = exportResult(
      { type: "oci", dest: out("canceled.tar"), attrs: { compression: "zstd", "compression-level": "2" } },
      image,
      { store, signal: abort },
    );
    await expect(writing).rejects.toThrow();
    expect(existsSync(out("canceled.tar"))).toBe(false);
  });
});
