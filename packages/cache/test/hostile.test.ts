import { sha256, TsbuildError } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci/documents";
import { portableOp } from "@tsbuild/solver";
import { describe, expect, test } from "vitest";
import { parseDocument, UNCOMPRESSED } from "../src/document.ts";
import { ImportedGraph } from "../src/imported-graph.ts";

const op = (name: string) => portableOp(sha256(name), 0);
const root = sha256("root");
const blob = sha256("blob");
const descriptor = {
  mediaType: mediaTypes.ociLayerGzip,
  digest: blob,
  size: 3,
  annotations: { [UNCOMPRESSED]: sha256("diff") },
};

function graphOf(document: object, blobs = new Map([[blob, descriptor]])): ImportedGraph {
  return new ImportedGraph("evil", parseDocument(Buffer.from(JSON.stringify(document))), blobs);
}

const rootRecord = { digest: root };
const result = { layer: 0, createdAt: "2026-01-01T00:00:00Z" };

describe("documents from strangers", () => {
  test("records in a cycle, and all that hangs on them, are left out", () => {
    const records = [
      { digest: op("a"), inputs: [[{ link: 1 }]], layers: [result] },
      { digest: op("b"), inputs: [[{ link: 0 }]], layers: [result] },
      { digest: op("c"), inputs: [[{ link: 1 }]], layers: [result] },
      { digest: op("self"), inputs: [[{ link: 3 }]], layers: [result] },
      rootRecord,
      { digest: op("good"), inputs: [[{ link: 4 }, { link: 0 }]], layers: [result] },
    ];
    expect(graphOf({ layers: [{ blob, parent: -1 }], records }).size).toBe(1);
  });

  test.each([99, -1])("a link to nowhere (%d) leaves the record out", (link) => {
    const records = [rootRecord, { digest: op("a"), inputs: [[{ link }]], layers: [result] }];
    expect(graphOf({ layers: [{ blob, parent: -1 }], records }).size).toBe(0);
  });

  test("an input without links leaves the record out", () => {
    const records = [rootRecord, { digest: op("a"), inputs: [[{ link: 0 }], []], layers: [result] }];
    expect(graphOf({ layers: [{ blob, parent: -1 }], records }).size).toBe(0);
  });

  test("layers in a cycle, unknown blobs and missing diff IDs make no results", () => {
    const records = [0, 1, 2, 3, 77].map((layer) => ({
      digest: op(`layer ${layer}`),
      inputs: [[{ link: 5 }]],
      layers: [{ ...result, layer }],
    }));
    const other = sha256("not listed");
    const plain = sha256("no diff ID");
    const layers = [
      { blob, parent: 1 },
      { blob, parent: 0 },
      { blob: other, parent: -1 },
      { blob: plain, parent: -1 },
    ];
    const blobs = new Map([
      [blob, descriptor],
      [plain, { ...descriptor, digest: plain, annotations: {} as { [UNCOMPRESSED]: typeof blob } }],
    ]);
    expect(graphOf({ layers, records: [...records, rootRecord] }, blobs).size).toBe(0);
  });

  test("Go's zeros are left out, and read as zeros", () => {
    const layers = [{ blob, parent: -1 }, { blob }];
    const records = [
      rootRecord,
      { digest: op("a"), inputs: [[{ link: 0 }]], layers: [{ ...result, layer: 1 }] },
    ];
    const graph = graphOf({ layers, records });
    const [key] = graph.linked(root as string as Parameters<typeof graph.result>[0], op("a"), 0, "");
    expect(graph.result(key!)?.layers()).toHaveLength(2);
  });

  test("a chain of a hundred thousand records is read without recursion", () => {
    const records = Array.from({ length: 100_000 }, (_, i) =>
      i === 0 ? rootRecord : { digest: op(`step ${i}`), inputs: [[{ link: i - 1 }]], layers: [result] },
    ).reverse();
    const turned = records.map((record) =>
      "inputs" in record ? { ...record, inputs: [[{ link: 99_999 - record.inputs[0]![0]!.link }]] } : record,
    );
    expect(graphOf({ layers: [{ blob, parent: -1 }], records: turned }).size).toBe(99_999);
  });

  test.each([
    ["no JSON", "{"],
    ["a list", "[]"],
    ["records that are no list", '{"records":{}}'],
    ["a digest of another form", '{"records":[{"digest":"random:1"}]}'],
    ["a link that is text", `{"records":[{"digest":"${root}","inputs":[[{"link":"1"}]]}]}`],
    ["a parent that is a fraction", `{"layers":[{"blob":"${blob}","parent":0.5}]}`],
  ])("%s is refused", (_what, text) => {
    expect(() => parseDocument(Buffer.from(text))).toThrow(TsbuildError);
  });
});
