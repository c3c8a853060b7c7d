import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { DiffId, SnapshotId, VertexDigest } from "@tsbuild/base";
import { commitImage, packLargeLayers } from "@tsbuild/export";
import type { Graph, Input, Vertex } from "@tsbuild/llb";
import { LayerWorkers } from "@tsbuild/oci";
import type { OpContext, Ref, VertexOp } from "@tsbuild/solver";
import { openStore, refForSnapshot, type Store } from "@tsbuild/store";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BuildRun } from "../src/build.ts";
import { packAhead, stackedOutputs } from "../src/pack-ahead.ts";
import type { BuildTarget } from "../src/targets.ts";

let folder = "";
let store: Store;

beforeAll(() => {
  folder = mkdtempSync("/var/tmp/tsbuild-pack-ahead-");
  store = openStore({ root: join(folder, "state") });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const from = (name: string, index = 0): Input => ({ digest: name as VertexDigest, index });

function vertex(name: string, inputs: readonly Input[], kind: object): Vertex {
  return { digest: name as VertexDigest, op: { inputs, kind }, metadata: {} } as unknown as Vertex;
}

/** FROM base; COPY --from=tool; RUN with another stage mounted. */
const graph: Graph = {
  vertices: [
    vertex("base", [], { type: "source" }),
    vertex("tool", [], { type: "source" }),
    vertex("copy", [from("tool"), from("base")], { type: "file", actions: [{ input: 1 }] }),
    vertex("run", [from("tool"), from("copy")], {
      type: "exec",
      mounts: [
        { dest: "/tool", input: 0 },
        { dest: "/", input: 1 },
      ],
    }),
  ],
  result: from("run", 1),
};

test("the layers of an image are those of its result and of what that was made on, not of what was copied from", () => {
  expect([...stackedOutputs(graph)]).toEqual([
    ["run", 1],
    ["copy", 0],
    ["base", 0],
  ]);
  expect(stackedOutputs({ vertices: [], result: null }).size).toBe(0);
});

function target(request: object, isDelivered = true): BuildTarget {
  const asked = { outputs: [{ type: "registry", attrs: { name: "127.0.0.1/app" } }], ...request };
  return { isDelivered, request: asked, platforms: [{ graph }] } as unknown as BuildTarget;
}

function layer(bytes: number): SnapshotId {
  const active = store.snapshots.prepare(null, { inPlace: true });
  mkdirSync(join(active.upper, "data"));
  writeFileSync(join(active.upper, "data/file"), randomBytes(bytes));
  return store.snapshots.commit(active);
}

/** Lets a vertex of the graph make a layer, in a build that asks for `targets`. */
async function make(name: string, bytes: number, targets: readonly BuildTarget[], used: object = store) {
  const snapshot = layer(bytes);
  const run = { session: { store: used }, signal: new AbortController().signal } as unknown as BuildRun;
  const ahead = await packAhead(run, targets);
  const op: VertexOp = {
    cacheMap: () => Promise.reject(new Error("not asked")),
    run: async () => [refForSnapshot(store, snapshot)],
  };
  const watched = ahead.watch(graph.vertices.find(({ digest }) => digest === name)!, op);
  const [ref] = await watched.run([], {} as OpContext);
  return { snapshot, ahead, ref: ref as Ref, isWatched: watched !== op };
}

const LARGE = 5 * 1024 * 1024;
const diffId = (snapshot: SnapshotId) => store.snapshots.layers(snapshot)[0]?.diffId;

test("a large layer is packed while the build goes on, and the image takes what came out", async () => {
  const { snapshot, ahead, ref } = await make("copy", LARGE, [target({})]);
  const config = {
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers" as const, diff_ids: [] },
  };
  const told: string[] = [];
  const [image] = await Promise.all([
    commitImage(store, {
      config,
      snapshot,
      names: [],
      platform: { os: "linux", architecture: "amd64" },
      register: false,
      compress: { compression: "gzip" },
      onProgress: ({ id }) => told.push(id),
    }),
    expect.poll(() => diffId(snapshot), { timeout: 120_000 }).toBeDefined(),
  ]);
  await ahead.end();
  ref.release();
  expect(image.layers[0]?.diffId).toBe(diffId(snapshot));
  expect(store.blobs.compressed(image.layers[0]!.diffId, "any")).toBeDefined();
  expect(told).toContain("compressing layers");
});

test("nobody has to ask for it", async () => {
  const { snapshot, ahead, ref } = await make("copy", LARGE, [target({})]);
  await expect.poll(() => diffId(snapshot), { timeout: 120_000 }).toBeDefined();
  await ahead.end();
  ref.release();
});

test("what is left at the end is given up", async () => {
  const { snapshot, ahead, ref } = await make("copy", LARGE, [target({})]);
  await ahead.end();
  expect(diffId(snapshot)).toBeUndefined();
  ref.release();
});

test("what goes wrong is left to the image, which asks for the same", async () => {
  let asked = 0;
  const wholeLayers = (): Promise<never> => {
    asked++;
    return Promise.reject(new Error("no space left"));
  };
  const { ahead, ref } = await make("copy", LARGE, [target({})], { snapshots: { wholeLayers } });
  await expect.poll(() => asked).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  await ahead.end();
  ref.release();
});

test("small layers wait for the image, unless a thread waits for work", async () => {
  const workers = new LayerWorkers({ threads: 1 });
  const { signal } = new AbortController();
  const pack = async (snapshot: SnapshotId): Promise<DiffId | undefined> => {
    await packLargeLayers(store, { snapshot, compress: { compression: "gzip" }, signal, workers });
    return diffId(snapshot);
  };
  const [small, large] = [layer(1000), layer(LARGE)];
  expect(await pack(small)).toBeUndefined();
  expect(await pack(large)).toBeDefined();
  expect(await pack(small)).toBeDefined();
  expect(
    await pack(store.snapshots.commit(store.snapshots.prepare(null, { inPlace: true }))),
  ).toBeUndefined();
  await workers.close();
});

test("nothing is packed for outputs that take layers as they are, and for images that are changed first", async () => {
  const never: readonly (readonly [string, BuildTarget])[] = [
    ["tool", target({})],
    ["copy", target({}, false)],
    ["copy", target({ outputs: [] })],
    ["copy", target({ outputs: [{ type: "local", dest: "x", attrs: {} }] })],
    ["copy", target({ outputs: [{ type: "oci", attrs: { compression: "uncompressed" } }] })],
    ["copy", target({ squash: "" })],
    ["copy", target({ reproducible: true })],
  ];
  for (const [name, one] of never) {
    const { isWatched, ref } = await make(name, 1, [one]);
    expect(isWatched).toBe(false);
    ref.release();
  }
});
