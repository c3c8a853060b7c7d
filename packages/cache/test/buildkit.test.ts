import { type Digest, sha256 } from "@tsbuild/base";
import { mediaTypes } from "@tsbuild/oci/documents";
import { describe, expect, test } from "vitest";
import { parseDocument, parseInlineRecords, UNCOMPRESSED } from "../src/document.ts";
import { ImportedGraph } from "../src/imported-graph.ts";

/**
 * What dockerd 20.10.24 wrote into an image's `moby.buildkit.cache.v0` for
 * `FROM base`, `COPY a /a`, `RUN cat /a > /b`, `RUN echo last >> /b`, built with BUILDKIT_INLINE_CACHE=1.
 */
const RECORDS = [
  {
    layers: [{ layer: 1, createdAt: "2026-11-21T09:48:57.634395572Z" }],
    digest: "sha256:00b3525dfd2a93899fdfa1d482df9f7a38aa94632a1520156dc247bb031bc164",
    inputs: [
      [{ link: 5 }],
      [
        { link: 4 },
        { selector: "sha256:6a50dc8584134c7de537c0052ff6d236bf874355e050c90523e0c5ff2a543a28", link: 7 },
      ],
    ],
  },
  {
    layers: [{ layer: 2, createdAt: "2026-11-21T09:48:57.750868261Z" }],
    digest: "sha256:0d96ff45a41f4a2cbc6a65cfc02098c4cddfd0f279f96ecd03c5b6b4396736dd",
    inputs: [[{ link: 0 }]],
  },
  { digest: "sha256:275a90b76db0d44e5badac2d5c729d1300fd23ac19aae51acba3386ae6d03fac" },
  {
    layers: [{ layer: 3, createdAt: "2026-11-21T09:48:57.877225466Z" }],
    digest: "sha256:a2356e3e32a1dabf799ad510e03c344570af6e2a240e1d8d043a749f9765f515",
    inputs: [[{ link: 1 }]],
  },
  { digest: "sha256:d9bbc07d27ae5f69fef43f29e6b42b3cb97b88c514516b9e4166bf30bc1a355e" },
  { digest: "sha256:f90887125e3643dad31471e0f92009e896c829d34b794b884092fc3abe1d944f" },
  { digest: "sha256:fa1fc6f2e6fe2ad22b361b04040727a2cb1aa6727ba6373aeac616c90baa4a01" },
  {
    digest: "sha256:ff3950a803711c1484c5d07cc4cfe2308cd7bd540557e9c38a6433e43b6de7c1",
    inputs: [
      [
        { selector: "sha256:df0e525ca73bc09e42a5a5285f843dce62157def7502c1ae94c378b6acbe53bb", link: 2 },
        { link: 6 },
      ],
    ],
  },
];

const blobs = [0, 1, 2, 3].map((i) => sha256(`layer ${i}`));
const descriptors = new Map(
  blobs.map((digest, i) => [
    digest,
    {
      mediaType: mediaTypes.dockerLayerGzip,
      digest,
      size: 1,
      annotations: { [UNCOMPRESSED]: sha256(`diff ${i}`) },
    },
  ]),
);

describe("records that BuildKit wrote", () => {
  const records = parseInlineRecords(Buffer.from(JSON.stringify(RECORDS)).toString("base64"));
  const layers = blobs.map((blob, i) => ({ blob, parent: i - 1 }));
  const graph = new ImportedGraph("registry", { records, layers, mounts: [] }, descriptors);
  const key = (digest: string) => digest as Parameters<typeof graph.result>[0];
  const op = (index: number) => RECORDS[index]?.digest as Digest;

  test("all three results can be reached", () => expect(graph.size).toBe(3));

  test("from the keys of the base and the copied content to the last step", () => {
    const selector = RECORDS[7]?.inputs?.[0]?.[0]?.selector ?? "";
    const [merged] = graph.linked(key(op(2)), op(7), 0, selector);
    const [copied] = graph.linked(key(op(5)), op(0), 0, "");
    expect(graph.linked(key(op(4)), op(0), 1, "")).toEqual([copied]);
    expect(graph.linked(merged!, op(0), 1, RECORDS[0]?.inputs?.[1]?.[1]?.selector ?? "")).toEqual([copied]);
    const [first] = graph.linked(copied!, op(1), 0, "");
    const [last] = graph.linked(first!, op(3), 0, "");
    expect([copied, first, last].map((one) => graph.result(one!)?.layers().length)).toEqual([2, 3, 4]);
  });
});

/** In the form of the comment in BuildKit's cache/remotecache/v1/types/doc.go, with what its writer leaves out or writes as null. */
describe("a document as BuildKit writes it", () => {
  const [base, middle, top, other] = blobs as [Digest, Digest, Digest, Digest];
  const name = (text: string) => sha256(text);
  const createdAt = (second: number) => `2026-11-21T09:48:5${second}.634395572Z`;
  const document = parseDocument(
    Buffer.from(
      JSON.stringify({
        layers: [
          {
            blob: base,
            parent: -1,
            annotations: { mediaType: "x", diffID: name("diff"), size: 3, createdAt: createdAt(0) },
          },
          { blob: middle }, // Go leaves out the parent 0.
          { blob: other, parent: -1 },
          { blob: top, parent: 1 },
        ],
        records: [
          { digest: name("root"), inputs: null, layers: null },
          { digest: name("content") },
          {
            digest: name("copy"),
            inputs: [
              [{ link: 0 }],
              [
                { selector: name("a"), link: 1 },
                { selector: "", link: 0 },
              ],
            ],
            layers: [
              { layer: 1, createdAt: createdAt(1) },
              { layer: 3, createdAt: createdAt(2) },
            ],
          },
          {
            digest: name("link"),
            inputs: [[{ link: 2 }]],
            chains: [{ layers: [0, 2], createdAt: createdAt(3) }],
          },
          {
            digest: name("empty"),
            inputs: [[{ link: 2 }]],
            layers: [{ layer: -1, createdAt: createdAt(4) }],
          },
        ],
      }),
    ),
  );
  const graph = new ImportedGraph("local", document, descriptors);
  const blobsOf = (key: Parameters<typeof graph.result>[0]) =>
    graph
      .result(key)
      ?.layers()
      .map(({ blob }) => blob.digest);
  const root = name("root") as string as Parameters<typeof graph.result>[0];
  const content = name("content") as string as typeof root;
  const [copied] = graph.linked(content, name("copy"), 1, name("a"));

  test("one key by every way that leads to it, and only with its selector", () => {
    expect(graph.linked(root, name("copy"), 0, "")).toEqual([copied]);
    expect(graph.linked(root, name("copy"), 1, "")).toEqual([copied]);
    expect(graph.linked(content, name("copy"), 1, "")).toEqual([]);
    expect(graph.linked(content, name("copy"), 0, name("a"))).toEqual([]);
  });

  test("of several results the newest, with the layers below it", () => {
    expect(blobsOf(copied!)).toEqual([base, middle, top]);
  });

  test("chains name all of their layers themselves", () => {
    const [linked] = graph.linked(copied!, name("link"), 0, "");
    expect(blobsOf(linked!)).toEqual([base, other]);
  });

  test("a result that is nowhere is none, but its key is there for what comes after", () => {
    const [empty] = graph.linked(copied!, name("empty"), 0, "");
    expect(empty).toBeDefined();
    expect(graph.result(empty!)).toBeUndefined();
  });
});
