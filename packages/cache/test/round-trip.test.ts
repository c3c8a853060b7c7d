import { type DiffId, type Digest, sha256 } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci/documents";
import type { ResultId } from "@tsbuild/solver";
import { constant, type IntegerReport, type IntegerVertex, IntegerWorld, integer } from "@tsbuild/testkit";
import { describe, expect, test } from "vitest";
import { changePlans, planVertices, Random, randomPlans } from "../../solver/test/random-graph.ts";
import { parseDocument, serializeDocument, UNCOMPRESSED } from "../src/document.ts";
import { collectChains, type OutgoingLayer } from "../src/export.ts";
import { ImportedGraph } from "../src/imported-graph.ts";
import { ImportingStorage } from "../src/imported-storage.ts";
import { brokenRules } from "./buildkit-rules.ts";

/** A layer that stands for an integer: its diff ID says which. */
const layers = new Map<string, number>();

function layerOf(value: number): OutgoingLayer {
  const digest = sha256(`blob ${value}`);
  const diffId = sha256(`diff ${value}`) as string as DiffId;
  layers.set(diffId, value);
  const annotations = { [UNCOMPRESSED]: diffId };
  const descriptor = { mediaType: mediaTypes.ociLayerGzip, digest, size: 1, annotations };
  return { diffId, blob: { descriptor, open: () => nothing() } };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** A world that may import: its storage over its own records and those of documents. */
class Builder extends IntegerWorld {
  readonly fetched: number[] = [];
  /** Its results are all of no layer. */
  isEmpty = false;

  importing(...documents: readonly Exported[]): ImportingStorage {
    const graphs = documents.map(
      ({ bytes, blobs }, i) => new ImportedGraph(`cache ${i}`, parseDocument(bytes), blobs),
    );
    return new ImportingStorage(this.storage, graphs, async ({ layers: found }) => {
      const value = layers.get(found.at(-1)!.diffId)!;
      this.fetched.push(value);
      return this.results.create(value);
    });
  }

  async export(
    report: IntegerReport,
    storage: ImportingStorage,
    mode: "min" | "max" = "max",
  ): Promise<Exported> {
    const layersOf = async (result: ResultId): Promise<readonly OutgoingLayer[] | undefined> => {
      if (this.isEmpty) return [];
      const imported = storage.stackOf(result);
      if (imported !== undefined) return imported.layers.map(({ diffId }) => layerOf(layers.get(diffId)!));
      const ref = this.results.open(result);
      if (ref === undefined) return undefined;
      const value = this.results.value(ref);
      ref.release();
      return [layerOf(value)];
    };
    const document = await collectChains(storage, report.solved, {
      mode,
      tops: report.resultId === undefined ? [] : [report.resultId],
      layersOf,
      stackOf: (result) => [result],
    });
    const blobs = new Map(document.layers.map(({ blob }) => [blob, descriptorOf(blob)]));
    const bytes = serializeDocument(document);
    expect(brokenRules(bytes)).toEqual([]);
    return { bytes, blobs };
  }
}

function descriptorOf(blob: Digest) {
  for (const value of layers.values()) {
    const { descriptor } = layerOf(value).blob;
    if (descriptor.digest === blob) return descriptor;
  }
  throw new Error(`nobody sent ${blob}`);
}

interface Exported {
  readonly bytes: Uint8Array;
  readonly blobs: ReadonlyMap<Digest, ReturnType<typeof descriptorOf>>;
}

/** What ran besides sources, whose results are not exported. */
function worked(report: IntegerReport, vertices: readonly IntegerVertex[]): string[] {
  const sources = new Set(vertices.filter(({ inputs }) => inputs.length === 0).map(({ name }) => name));
  return report.ran.filter((name) => !sources.has(name));
}

describe("export, then import in an empty store", () => {
  test("random graphs: nothing runs that would not run here again, and the value is the same", async () => {
    let hits = 0;
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const plans = randomPlans(random, 3 + random.below(12));
      const here = new Builder();
      const vertices = planVertices(plans, () => undefined);
      const storage = here.importing();
      const first = await here.solve(vertices.at(-1)!, { storage });
      const exported = await here.export(first, storage);
      const there = new Builder();
      const second = await there.solve(vertices.at(-1)!, { storage: there.importing(exported) });
      expect(second.value, `seed ${seed}`).toBe(first.value);
      // What is computed from a whole context has no key, and runs wherever it is built again.
      const again = new Set((await here.solve(vertices.at(-1)!)).ran);
      const surplus = worked(second, vertices).filter((name) => !again.has(name));
      expect(surplus, `seed ${seed}`).toEqual([]);
      expect(there.leaks, `seed ${seed}`).toEqual({ refs: 0, locks: 0 });
      hits += Object.keys(second.cached).length;
    }
    expect(hits).toBeGreaterThan(700);
  });

  test("random graphs that change: an importer never gets another value than a builder without cache", async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = new Random(seed);
      const before = randomPlans(random, 3 + random.below(10));
      const after = changePlans(random, before);
      const here = new Builder();
      const storage = here.importing();
      const exported = await here.export(
        await here.solve(planVertices(before, () => undefined).at(-1)!, { storage }),
        storage,
      );
      const there = new Builder();
      const changed = planVertices(after, () => undefined).at(-1)!;
      const imported = await there.solve(changed, { storage: there.importing(exported) });
      const plain = await new Builder().solve(changed);
      expect(imported.value, `seed ${seed}`).toBe(plain.value);
      // What was built on top of imported results must not mislead a build that does not import.
      const alone = await there.solve(changed);
      expect(alone.value, `seed ${seed}`).toBe(plain.value);
      const again = await there.export(imported, there.importing(exported));
      const third = new Builder();
      expect((await third.solve(changed, { storage: third.importing(again) })).value, `seed ${seed}`).toBe(
        plain.value,
      );
    }
  });

  test("a result without layers is left out: BuildKit would refuse the whole cache for it", async () => {
    const here = new Builder();
    here.isEmpty = true;
    const storage = here.importing();
    const graph = integer("top", [integer("middle", [constant("a", 1)])]);
    const { bytes } = await here.export(await here.solve(graph, { storage }), storage);
    const { layers: written, records } = parseDocument(bytes);
    expect(written).toEqual([]);
    expect(records.flatMap(({ results }) => results)).toEqual([]);
  });

  test("equal caches are equal bytes", async () => {
    const graph = integer("top", [integer("left", [constant("a", 1)]), integer("right", [constant("b", 2)])]);
    const texts: string[] = [];
    for (let i = 0; i < 2; i++) {
      const world = new Builder();
      const storage = world.importing();
      const { bytes } = await world.export(await world.solve(graph, { storage }), storage);
      texts.push(
        Buffer.from(bytes)
          .toString()
          .replaceAll(/"createdAt":"[^"]*"/g, ""),
      );
    }
    expect(texts[0]).toBe(texts[1]);
  });
});

describe("modes", () => {
  const graph = (last = "last") =>
    integer(last, [integer("middle", [integer("first", [constant("base", 1)])])]);

  test("min brings the final result only; a change behind it runs everything", async () => {
    const here = new Builder();
    const storage = here.importing();
    const exported = await here.export(await here.solve(graph(), { storage }), storage, "min");
    const there = new Builder();
    expect((await there.solve(graph(), { storage: there.importing(exported) })).ran).toEqual([]);
    const other = new Builder();
    const changed = await other.solve(graph("other"), { storage: other.importing(exported) });
    expect(changed.ran).toEqual(["base", "first", "middle", "other"]);
  });

  test("max brings every step; a change runs only what it changes", async () => {
    const here = new Builder();
    const storage = here.importing();
    const exported = await here.export(await here.solve(graph(), { storage }), storage, "max");
    const there = new Builder();
    const changed = await there.solve(graph("other"), { storage: there.importing(exported) });
    expect(changed.ran).toEqual(["other"]);
  });
});

describe("what is imported stays apart", () => {
  const victim = integer("victim", [constant("base", 1)], { compute: () => 1 });
  const onTop = integer("on top", [victim]);

  /** A cache in which the step `victim` came to 666. */
  async function poisoned(): Promise<Exported> {
    const evil = new Builder();
    const storage = evil.importing();
    const lie = integer("victim", [constant("base", 1)], { compute: () => 666 });
    return evil.export(await evil.solve(lie, { storage }), storage);
  }

  test("a lie reaches the build that imports it, and no other", async () => {
    const world = new Builder();
    const misled = await world.solve(onTop, { storage: world.importing(await poisoned()) });
    expect(misled).toMatchObject({ value: 666, ran: ["on top"] });
    expect(await world.solve(onTop)).toMatchObject({ value: 1, ran: ["base", "victim", "on top"] });
  });

  test("what was built on top is found again with the same cache", async () => {
    const world = new Builder();
    const cache = await poisoned();
    await world.solve(onTop, { storage: world.importing(cache) });
    expect(await world.solve(onTop, { storage: world.importing(cache) })).toMatchObject({
      value: 666,
      ran: [],
    });
  });

  test("own records go first", async () => {
    const world = new Builder();
    await world.solve(onTop);
    const report = await world.solve(onTop, { storage: world.importing(await poisoned()) });
    expect(report).toMatchObject({ value: 1, ran: [] });
    expect(world.fetched).toEqual([]);
  });

  test("a root that claims a result is no result", async () => {
    const world = new Builder();
    const base = constant("base", 1);
    await world.solve(base);
    const document = parseDocument((await poisoned()).bytes);
    const root = document.records.find(({ inputs }) => inputs.length === 0)!;
    const lie = { ...document, records: [{ ...root, results: [{ layer: 0, createdAt: "" }] }] };
    const { blobs } = await poisoned();
    const other = new Builder();
    const report = await other.solve(base, {
      storage: other.importing({ bytes: serializeDocument(lie), blobs }),
    });
    expect(report.ran).toEqual(["base"]);
  });

  test("only what is needed is fetched", async () => {
    const graph = integer("c", [integer("b", [integer("a", [constant("base", 1)])])]);
    const here = new Builder();
    const storage = here.importing();
    const exported = await here.export(await here.solve(graph, { storage }), storage);
    const there = new Builder();
    await there.solve(graph, { storage: there.importing(exported) });
    expect(there.fetched).toHaveLength(1);
  });
});
