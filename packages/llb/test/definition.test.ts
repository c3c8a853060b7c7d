import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { sha256, TsbuildError, type VertexDigest } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import {
  type Graph,
  graphFromJson,
  graphToJson,
  image,
  local,
  marshalGraph,
  marshalOp,
  merge,
  mkfile,
  type Op,
  opDigest,
  scratch,
  source,
  unmarshalDefinition,
  type Vertex,
} from "../src/index.ts";

const platform = { os: "linux", architecture: "amd64" };

function vertex(op: Op, metadata: Vertex["metadata"] = {}): Vertex {
  return { digest: opDigest(op), op, metadata };
}

/** One vertex of every kind, with every field set. */
function everything(): Graph {
  const base = vertex({
    inputs: [],
    kind: {
      type: "source",
      identifier: "docker-image://a",
      attrs: { "image.resolvemode": "pull", __proto__x: "1" },
    },
    platform: { os: "windows", architecture: "arm", variant: "v7", osVersion: "10.0.1" },
    constraints: ["a==b", "c"],
  });
  const input = { digest: base.digest, index: 0 };
  const exec = vertex(
    {
      inputs: [input],
      kind: {
        type: "exec",
        meta: {
          args: ["/bin/sh", "-c", "echo \u{1f600}"],
          env: ["A=b", "C="],
          cwd: "/w",
          user: "u:g",
          proxyEnv: { http: "h", https: "s", ftp: "f", no: "n", all: "a" },
          extraHosts: [{ host: "db", ip: "10.0.0.1" }],
          hostname: "box",
          ulimits: [{ name: "nofile", soft: -1, hard: 2 ** 40 }],
          cgroupParent: "/cg",
          removeMountStubsRecursive: true,
          validExitCodes: [0, 1, 255],
        },
        mounts: [
          {
            input: 0,
            selector: "/s",
            dest: "/",
            output: 0,
            readonly: false,
            type: "bind",
            contentCache: "on",
          },
          {
            input: -1,
            selector: "",
            dest: "/t",
            output: -1,
            readonly: false,
            type: "tmpfs",
            tmpfsSizeBytes: 2 ** 33,
            contentCache: "default",
          },
          {
            input: -1,
            selector: "",
            dest: "/c",
            output: -1,
            readonly: true,
            type: "cache",
            cache: { id: "x", sharing: "private" },
            contentCache: "off",
          },
          {
            input: -1,
            selector: "",
            dest: "/k",
            output: 0,
            readonly: false,
            type: "ssh",
            ssh: { id: "", uid: 4294967295, gid: 2, mode: 0o600, optional: true },
            contentCache: "default",
          },
        ],
        network: "host",
        security: "insecure",
        secretEnv: [{ id: "i", name: "N", optional: true }],
        devices: [{ name: "v/c=n", optional: true }],
      },
      platform,
      constraints: [],
    },
    {
      name: "RUN x",
      description: { k: "v" },
      ignoreCache: true,
      exportCache: false,
      progressGroup: { id: "g", name: "group", weak: true },
      caps: ["exec.meta.base"],
    },
  );
  const file = vertex({
    inputs: [{ digest: exec.digest, index: 0 }, input],
    kind: {
      type: "file",
      actions: [
        {
          input: 0,
          secondaryInput: 1,
          output: -1,
          action: {
            type: "copy",
            src: "/a",
            dest: "/b/",
            owner: { user: { name: "u", input: 0 }, group: { id: 0 } },
            mode: 0o644,
            modeStr: "u=rwX",
            followSymlink: true,
            dirCopyContents: true,
            attemptUnpackDockerCompatibility: true,
            createDestPath: true,
            allowWildcard: true,
            allowEmptyWildcard: true,
            timestampNs: 1_234_567_890_123_456_789n,
            includePatterns: ["*.c"],
            excludePatterns: ["x", "!y"],
            requiredPaths: ["/a/b"],
            alwaysReplaceExistingDestPaths: true,
          },
        },
        {
          input: 2,
          secondaryInput: -1,
          output: -1,
          action: {
            type: "mkfile",
            path: "/f",
            mode: 0o600,
            data: new Uint8Array([0, 255, 10]),
            timestampNs: -1n,
          },
        },
        {
          input: 3,
          secondaryInput: -1,
          output: -1,
          action: {
            type: "symlink",
            oldPath: "f",
            newPath: "/l",
            owner: { user: { id: 7 } },
            timestampNs: 0n,
          },
        },
        {
          input: 4,
          secondaryInput: -1,
          output: -1,
          action: { type: "rm", path: "/x*", allowNotFound: true, allowWildcard: true },
        },
        {
          input: 5,
          secondaryInput: -1,
          output: 0,
          action: { type: "mkdir", path: "/d", mode: 0o700, makeParents: false, timestampNs: 0n },
        },
      ],
    },
    constraints: [],
  });
  const build = vertex({
    inputs: [input],
    kind: {
      type: "build",
      builder: -1,
      inputs: { z: 0, a: 0 },
      definition: new Uint8Array([1, 2]),
      attrs: { f: "g" },
    },
  });
  const diff = vertex({
    inputs: [input, { digest: file.digest, index: 0 }],
    kind: { type: "diff", lower: 0, upper: 1 },
  });
  const merged = vertex({
    inputs: [diff, build, file].map(({ digest }) => ({ digest, index: 0 })),
    kind: { type: "merge", inputs: [0, 1, 2] },
  });
  return {
    vertices: [base, exec, file, diff, build, merged],
    result: { digest: merged.digest, index: 0 },
    source: {
      file: "Dockerfile",
      language: "Dockerfile",
      text: "FROM a\nRUN x\n",
      locations: new Map([
        [base.digest, [{ start: 1, end: 1 }]],
        [
          exec.digest,
          [
            { start: 2, end: 2 },
            { start: 5, end: 7 },
          ],
        ],
      ]),
    },
  };
}

describe("a definition", () => {
  test("of every kind of op survives marshalling", () => {
    const graph = everything();
    expect(unmarshalDefinition(marshalGraph(graph))).toEqual(graph);
  });

  test("is the same bytes every time", () => {
    expect(sha256(marshalGraph(everything()))).toBe(
      sha256(marshalGraph(unmarshalDefinition(marshalGraph(everything())))),
    );
  });

  test("of the empty filesystem is empty", () => {
    expect(marshalGraph({ vertices: [], result: null })).toEqual(new Uint8Array());
    expect(unmarshalDefinition(new Uint8Array())).toEqual({ vertices: [], result: null });
  });

  test("keeps only what the result needs", () => {
    const graph = scratch().file(mkfile("/a", "1")).toGraph();
    const stray = vertex({ inputs: [], kind: { type: "source", identifier: "local://x", attrs: {} } });
    const read = unmarshalDefinition(marshalGraph({ ...graph, vertices: [stray, ...graph.vertices] }));
    expect(read.vertices.map(({ digest }) => digest)).toEqual(graph.vertices.map(({ digest }) => digest));
  });

  test("of a long chain is read without deep recursion", () => {
    let state = image("docker.io/library/a:latest", { platform });
    for (let i = 0; i < 5000; i++) state = state.file(mkfile(`/${i}`, ""));
    const graph = state.toGraph();
    expect(graph.vertices).toHaveLength(5001);
    expect(unmarshalDefinition(marshalGraph(graph)).vertices).toHaveLength(5001);
  });
});

/** A definition of ops given as bytes, and a pointer at the last of them. */
function rawDefinition(ops: readonly Uint8Array[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const op of ops) writer.tag(1, WireType.LengthDelimited).bytes(op);
  const pointer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
  pointer.tag(1, WireType.LengthDelimited).string(sha256(ops.at(-1)!));
  writer.tag(1, WireType.LengthDelimited).bytes(pointer.join().finish());
  return writer.finish();
}

function failure(data: Uint8Array): TsbuildError {
  try {
    unmarshalDefinition(data);
  } catch (error) {
    if (error instanceof TsbuildError) return error;
    throw error;
  }
  throw new Error("was read");
}

describe("a definition from elsewhere", () => {
  test("gets canonical digests when its maker orders fields in another way", () => {
    // Constraints (field 11) before the source (field 3), whose attributes come before its identifier.
    const source = new BinaryWriter()
      .tag(2, WireType.LengthDelimited)
      .fork()
      .tag(2, WireType.LengthDelimited)
      .string("v")
      .tag(1, WireType.LengthDelimited)
      .string("k")
      .join()
      .tag(1, WireType.LengthDelimited)
      .string("git://h/r")
      .finish();
    const op = new BinaryWriter()
      .tag(11, WireType.LengthDelimited)
      .bytes(new Uint8Array())
      .tag(3, WireType.LengthDelimited)
      .bytes(source)
      .finish();
    const graph = unmarshalDefinition(rawDefinition([op]));
    const expected: Op = {
      inputs: [],
      kind: { type: "source", identifier: "git://h/r", attrs: { k: "v" } },
      constraints: [],
    };
    expect(graph.vertices[0]!.digest).toBe(opDigest(expected));
    expect(graph.result!.digest).toBe(opDigest(expected));
  });

  test("takes an attribute called __proto__ for a name like any other", () => {
    const attrs = JSON.parse('{"__proto__": "x"}') as Record<string, string>;
    const state = source("git://h/r", attrs);
    const read = unmarshalDefinition(marshalGraph(state.toGraph()));
    const { kind } = read.vertices[0]!.op;
    expect(kind.type === "source" && Object.entries(kind.attrs)).toEqual([["__proto__", "x"]]);
  });

  test("is refused with a code when it asks for what is not known here", () => {
    const op = new BinaryWriter()
      .tag(3, WireType.LengthDelimited)
      .bytes(new Uint8Array())
      .tag(99, WireType.Varint)
      .uint32(1);
    expect(failure(rawDefinition([op.finish()]))).toMatchObject({ code: "TSB_UNSUPPORTED" });
  });

  test("skips unknown metadata, which changes no result", () => {
    const graph = local("context").toGraph();
    const metadata = new BinaryWriter()
      .tag(7, WireType.LengthDelimited)
      .bytes(new Uint8Array([8, 1]))
      .finish();
    const extra = new BinaryWriter()
      .tag(2, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string(graph.result!.digest)
      .tag(2, WireType.LengthDelimited)
      .bytes(metadata)
      .join()
      .finish();
    expect(unmarshalDefinition(Buffer.concat([marshalGraph(graph), extra]))).toMatchObject({
      result: graph.result,
    });
  });

  const op = (kind: Op["kind"], inputs: Op["inputs"] = []): Uint8Array => marshalOp({ inputs, kind });
  const missing = `sha256:${"00".repeat(32)}` as VertexDigest;

  test.each([
    ["damaged bytes", new Uint8Array([10, 200, 1])],
    ["a field of the wrong type", new Uint8Array([8, 1])],
    [
      "an input that is missing",
      rawDefinition([op({ type: "merge", inputs: [0] }, [{ digest: missing, index: 0 }])]),
    ],
    ["an index past the inputs", rawDefinition([op({ type: "merge", inputs: [3] })])],
    ["a source without a scheme", rawDefinition([op({ type: "source", identifier: "x", attrs: {} })])],
    ["a file op without actions", rawDefinition([op({ type: "file", actions: [] })])],
    ["no pointer at the end", Buffer.concat([new Uint8Array([10, 2, 0x1a, 0])])],
    [
      "an op that uses a later action",
      rawDefinition([
        op({
          type: "file",
          actions: [
            {
              input: 0,
              secondaryInput: -1,
              output: 0,
              action: { type: "rm", path: "/", allowNotFound: false, allowWildcard: false },
            },
          ],
        }),
      ]),
    ],
  ])("is refused when it has %s", (_, data) => {
    expect(failure(data)).toMatchObject({ code: "TSB_USAGE" });
  });
});

describe("the stored form", () => {
  test("gives the graph back after a way through JSON text", () => {
    const graph = everything();
    expect(graphFromJson(JSON.parse(JSON.stringify(graphToJson(graph))))).toEqual(graph);
  });

  test("of another version is refused", () => {
    const json = { ...graphToJson(merge([]).toGraph()), version: 0 };
    expect(() => graphFromJson(json)).toThrow(expect.objectContaining({ code: "TSB_STORE" }));
  });
});
