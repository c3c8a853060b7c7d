/**
 * What the solver itself costs: a graph of 10,000 vertices that do nothing, solved for the first time and again from the cache, with records in memory and in
 * the state folder's database; and look-ups in a database of 100,000 records. `pnpm bench:solver [VERTICES] [RECORDS]`.
 *
 * Each case is a process of its own, so that its peak memory is its own; `node -e 0` of this Node takes about 45 MB.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  computeDigestsBy,
  type Digest,
  monotonicMs,
  sha256,
  sha256Fields,
  type VertexDigest,
} from "@tsbuild/base";
import type { Graph, Vertex } from "@tsbuild/llb";
import { nativeFs } from "@tsbuild/native-fs";
import {
  type CacheKeyId,
  type CacheStorage,
  MemoryCacheStorage,
  MemoryResults,
  MemoryWorkLocks,
  type Ref,
  type ResultId,
  solve,
  type VertexOp,
  type WorkLocks,
} from "@tsbuild/solver";
import { openStore, refForSnapshot, type Store } from "@tsbuild/store";
import { build } from "esbuild";

/** Vertices of a layer depend on three of the layer below: wide and deep at once, as many stages of many steps are. */
const WIDTH = 100;

function noOps(count: number): Graph {
  const vertices: Vertex[] = [];
  const at = (index: number) => ({ digest: vertices[index]!.digest, index: 0 });
  for (let i = 0; i < count; i++) {
    const layer = i - (i % WIDTH);
    const inputs = layer === 0 ? [] : [0, 7, 31].map((step) => at(layer - WIDTH + ((i + step) % WIDTH)));
    vertices.push(vertexOf(`no-op ${i}`, inputs));
  }
  const top = vertexOf(
    "top",
    Array.from({ length: Math.min(WIDTH, count) }, (_, i) => at(count - 1 - i)),
  );
  return { vertices: [...vertices, top], result: { digest: top.digest, index: 0 } };
}

function vertexOf(name: string, inputs: Vertex["op"]["inputs"]): Vertex {
  const digest = sha256Fields([name, ...inputs.map((input) => input.digest)]) as string as VertexDigest;
  return {
    digest,
    op: { inputs, kind: { type: "source", identifier: name, attrs: {} } },
    metadata: { name },
  };
}

/** Where records are kept, and what a vertex results in there. */
interface Place {
  readonly storage: CacheStorage;
  readonly locks: WorkLocks;
  makeRef(): Ref;
}

function noOp({ digest, op }: Vertex, place: Place): VertexOp {
  const map = { digest: sha256(digest), inputs: op.inputs.map(() => ({ selector: "" })), fields: [] };
  return { cacheMap: async () => map, run: async () => [place.makeRef()] };
}

/** Wall and CPU: on a machine that others use too, the latter says more. */
function stopwatch(): () => { readonly wallMs: number; readonly cpuMs: number } {
  const wall = monotonicMs();
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { wallMs: monotonicMs() - wall, cpuMs: (user + system) / 1e3 };
  };
}

async function solveOnce(
  graph: Graph,
  place: Place,
): Promise<{ readonly took: string; readonly ran: number }> {
  const stop = stopwatch();
  let ran = 0;
  const { ref } = await solve({
    graph,
    resolveOp: (vertex) => noOp(vertex, place),
    storage: place.storage,
    locks: place.locks,
    jobs: 4,
    // As a project that was never built: its last build would be looked at, and there is none.
    earlier: () => "first-build",
    signal: new AbortController().signal,
    emit: (event) => {
      if (event.type === "vertex-completed") ran++;
    },
  });
  ref?.release();
  const { wallMs, cpuMs } = stop();
  return { took: `${wallMs.toFixed(0)} ms (${cpuMs.toFixed(0)} of CPU)`, ran };
}

function memoryPlace(): Place {
  const results = new MemoryResults<number>();
  return {
    storage: new MemoryCacheStorage(results),
    locks: new MemoryWorkLocks(),
    makeRef: () => results.create(0),
  };
}

/** Results are scratch: what a snapshot costs is no business of the solver. */
function storePlace(store: Store): Place {
  return { storage: store.cache, locks: store.locks, makeRef: () => refForSnapshot(store, null) };
}

async function solveCase(name: string, place: Place, vertices: number): Promise<void> {
  const graph = noOps(vertices);
  const first = await solveOnce(graph, place);
  const again = await solveOnce(graph, place);
  if (first.ran !== vertices + 1 || again.ran !== 0)
    throw new Error(`${name}: ${first.ran} and ${again.ran} vertices ran`);
  report(`${vertices} no-ops, ${name}`, `first ${first.took}, cached ${again.took}`);
}

function report(what: string, result: string): void {
  const peakMb = process.resourceUsage().maxRSS / 1000;
  console.log(`${what.padEnd(34)} ${result}; peak of the process ${peakMb.toFixed(0)} MB`);
}

/** With which the product starts (packages/cli/bin/tsbuild), and what it sets for so many vertices (packages/cli/src/large-graph.ts). */
const NODE_FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--min-semi-space-size=10",
  "--max-semi-space-size=10",
  "--heap-growing-percent=40",
];

const LOOKUPS = 20_000;

/** One look-up as the solver makes it for a vertex with one input: the link from the input's key, then the records of where it leads. */
function lookupCase(store: Store, records: number): void {
  const keyOf = (i: number) => sha256(`key ${i}`) as string as CacheKeyId;
  const linkOf = (i: number) => ({ op: sha256(`op ${i}`) as Digest, output: 0, input: 0, selector: "" });
  for (let i = 0; i < records; i++) {
    store.cache.save({
      links: i === 0 ? [] : [{ parent: keyOf(i - 1), link: linkOf(i), child: keyOf(i) }],
      records: [
        {
          key: keyOf(i),
          result: "scratch" as ResultId,
          createdAt: i,
          description: `step ${i}`,
          fields: [],
          durationMs: 0,
        },
      ],
    });
  }
  const asked = Array.from({ length: LOOKUPS }, (_, i) => 1 + ((i * 7919) % (records - 1))).map(
    (i) => [keyOf(i - 1), linkOf(i)] as const,
  );
  const stop = stopwatch();
  for (const [parent, link] of asked) {
    const [key] = store.cache.linked(parent, link);
    if (key === undefined || store.cache.records(key).length !== 1) throw new Error("a record was not found");
  }
  const { wallMs, cpuMs } = stop();
  const perSecond = (ms: number) => Math.round((LOOKUPS / ms) * 1e3);
  report(
    `look-ups in ${records} records`,
    `${perSecond(wallMs)} per second (${perSecond(cpuMs)} per second of CPU)`,
  );
}

async function runCase(name: string, vertices: number, records: number): Promise<void> {
  computeDigestsBy(nativeFs.sha256);
  const root = mkdtempSync(join(tmpdir(), "tsbuild-bench-solver-"));
  const store = name === "memory" ? undefined : openStore({ root });
  try {
    if (store === undefined) await solveCase("in memory", memoryPlace(), vertices);
    else if (name === "database") await solveCase("in the database", storePlace(store), vertices);
    else lookupCase(store, records);
    await store?.close();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const [vertices = "10000", records = "100000", only] = process.argv.slice(2);
if (only !== undefined) await runCase(only, Number(vertices), Number(records));
else {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-bench-solver-"));
  try {
    await runCases(folder, [vertices, records]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** As the product has it: in one file, without types to strip (which takes 70 MB and half a second). */
async function runCases(folder: string, sizes: readonly string[]): Promise<void> {
  const program = join(folder, "solver.mjs");
  const define = { "import.meta.dirname": JSON.stringify(join(import.meta.dirname, "../../native/fs/src")) };
  await build({
    entryPoints: [import.meta.filename],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
    external: ["esbuild"],
    define,
    logLevel: "warning",
  });
  symlinkSync(join(import.meta.dirname, "../../node_modules"), join(folder, "node_modules"));
  for (const name of ["memory", "database", "lookups"]) {
    const { status } = spawnSync(process.execPath, [...NODE_FLAGS, program, ...sizes, name], {
      stdio: "inherit",
    });
    if (status !== 0) throw new Error(`${name} ended with ${status}`);
  }
}
