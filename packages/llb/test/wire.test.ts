import type { VertexDigest } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { marshalOp, type Op, opDigest } from "../src/index.ts";

/** Bytes written out by hand: tag (`number << 3 | wire type`), length, content. */
function hex(...parts: string[]): string {
  return parts.join("").replaceAll(/\s/g, "");
}

function wire(op: Op): string {
  return Buffer.from(marshalOp(op)).toString("hex");
}

function ascii(text: string): string {
  return Buffer.from(text).toString("hex");
}

/** A string field: tag, length, bytes. */
function field(tag: string, text: string): string {
  return `${tag}${text.length.toString(16).padStart(2, "0")}${ascii(text)}`;
}

const DIGEST = `sha256:${"ab".repeat(32)}` as VertexDigest;
/** 71 characters of a digest after its length. */
const INPUT_DIGEST = `0a47${ascii(DIGEST)}`;

describe("wire bytes written by hand", () => {
  test("a source: field 3 of Op, attributes as sorted map entries, empty constraints", () => {
    const op: Op = {
      inputs: [],
      kind: { type: "source", identifier: "local://c", attrs: { b: "2", a: "" } },
      constraints: [],
    };
    const source = hex(
      field("0a", "local://c"),
      "1205",
      field("0a", "a"),
      "1200",
      "1206",
      field("0a", "b"),
      field("12", "2"),
    );
    expect(source.length / 2).toBe(26);
    expect(wire(op)).toBe(hex("1a1a", source, "5a00"));
  });

  test("an image source with its platform (field 10)", () => {
    const op: Op = {
      inputs: [],
      kind: { type: "source", identifier: "docker-image://x", attrs: {} },
      platform: { os: "linux", architecture: "arm", variant: "v7" },
    };
    const platform = hex(field("0a", "arm"), field("12", "linux"), field("1a", "v7"));
    expect(wire(op)).toBe(hex("1a12", field("0a", "docker-image://x"), "5210", platform));
  });

  test("a merge of an input and scratch: -1 is a ten-byte varint, 0 is left out", () => {
    const op: Op = { inputs: [{ digest: DIGEST, index: 0 }], kind: { type: "merge", inputs: [0, -1] } };
    expect(wire(op)).toBe(hex("0a49", INPUT_DIGEST, "320f", "0a00", "0a0b08ffffffffffffffffff01"));
  });

  test("a diff: field 7, lower 1, upper 2; an input of another output", () => {
    const op: Op = { inputs: [{ digest: DIGEST, index: 2 }], kind: { type: "diff", lower: -1, upper: 0 } };
    expect(wire(op)).toBe(hex("0a4b", INPUT_DIGEST, "1002", "3a0f", "0a0b08ffffffffffffffffff01", "1200"));
  });

  test("a file op: actions are field 2, mkdir is 6; owner id 0 is written because it is in a oneof", () => {
    const op: Op = {
      inputs: [],
      kind: {
        type: "file",
        actions: [
          {
            input: -1,
            secondaryInput: -1,
            output: 0,
            action: {
              type: "mkdir",
              path: "/a",
              mode: 0o755,
              makeParents: true,
              owner: { user: { id: 0 }, group: { name: "g", input: -1 } },
              timestampNs: -1n,
            },
          },
        ],
      },
    };
    const minusOne = "ffffffffffffffffff01";
    const group = hex("0a0e", field("0a", "g"), "10", minusOne);
    const owner = hex("0a021000", "1210", group);
    const mkdir = hex(field("0a", "/a"), "10ed03", "1801", "2216", owner, "28", minusOne);
    expect(owner.length / 2).toBe(0x16);
    expect(mkdir.length / 2).toBe(0x2c);
    const action = hex("08", minusOne, "10", minusOne, "322c", mkdir);
    expect(wire(op)).toBe(hex("2246", "1244", action));
  });

  test("an exec: meta, a root mount, a cache, a secret, network and security", () => {
    const op: Op = {
      inputs: [],
      kind: {
        type: "exec",
        meta: {
          args: ["a", ""],
          env: [],
          cwd: "/",
          user: "",
          extraHosts: [],
          hostname: "",
          ulimits: [],
          cgroupParent: "",
          removeMountStubsRecursive: true,
          validExitCodes: [0, 3],
        },
        mounts: [
          {
            input: 0,
            selector: "",
            dest: "/",
            output: 0,
            readonly: false,
            type: "bind",
            contentCache: "default",
          },
          {
            input: -1,
            selector: "",
            dest: "/c",
            output: -1,
            readonly: false,
            type: "cache",
            cache: { id: "i", sharing: "locked" },
            contentCache: "default",
          },
          {
            input: -1,
            selector: "",
            dest: "/s",
            output: 0,
            readonly: false,
            type: "secret",
            secret: { id: "t", uid: 0, gid: 0, mode: 0o400, optional: true },
            contentCache: "off",
          },
        ],
        network: "none",
        security: "insecure",
        secretEnv: [{ id: "t", name: "T", optional: false }],
      },
    };
    const minusOne = "ffffffffffffffffff01";
    const meta = hex(field("0a", "a"), "0a00", field("1a", "/"), "5801", "62020003");
    const root = field("1a", "/");
    const cache = hex(
      "08",
      minusOne,
      field("1a", "/c"),
      "20",
      minusOne,
      "3003",
      "a20105",
      field("0a", "i"),
      "1002",
    );
    const secret = hex(
      "08",
      minusOne,
      field("1a", "/s"),
      "3001",
      "aa0108",
      field("0a", "t"),
      "208002",
      "2801",
      "c00102",
    );
    const mount = (bytes: string) => `12${(bytes.length / 2).toString(16).padStart(2, "0")}${bytes}`;
    const exec = hex(
      `0a${(meta.length / 2).toString(16).padStart(2, "0")}`,
      meta,
      mount(root),
      mount(cache),
      mount(secret),
      "1802",
      "2001",
      "2a06",
      field("0a", "t"),
      field("12", "T"),
    );
    expect(wire(op)).toBe(hex(`12${(exec.length / 2).toString(16)}`, exec));
  });

  test("map keys are sorted by their UTF-8 bytes, also beyond the basic plane", () => {
    const attrs = { "\u{1f600}": "", "\uffee": "" };
    const op: Op = { inputs: [], kind: { type: "source", identifier: "", attrs } };
    // U+FFEE is EF BF AE, U+1F600 is F0 9F 98 80: in UTF-16 order they would stand the other way round.
    expect(wire(op)).toBe(hex("1a13", "12070a03efbfae1200", "12080a04f09f98801200"));
  });
});

describe("golden digests", () => {
  const golden: readonly (readonly [string, Op])[] = [
    [
      "sha256:665ba8b2cdc0cb0200e2a42a6b3c0f8f684089f4cd1b81494fbb9805879120f7",
      {
        inputs: [],
        kind: { type: "source", identifier: "docker-image://docker.io/library/alpine:latest", attrs: {} },
        platform: { os: "linux", architecture: "amd64" },
        constraints: [],
      },
    ],
    [
      "sha256:1c696f1034a56761ca7e1da8da578acad87558b3bf7cb2e1ec90943383ced9c5",
      { inputs: [], kind: { type: "source", identifier: "local://context", attrs: {} }, constraints: [] },
    ],
  ];

  test.each(golden)("%s", (digest, op) => {
    expect(opDigest(op)).toBe(digest);
  });

  test("metadata is no part of an op, every field of an op is", () => {
    const [, op] = golden[0]!;
    const changed: Op[] = [
      { ...op, platform: { os: "linux", architecture: "arm64" } },
      { ...op, constraints: undefined },
      { ...op, constraints: ["x"] },
      { ...op, inputs: [{ digest: DIGEST, index: 0 }] },
      { ...op, inputs: [{ digest: DIGEST, index: 1 }] },
      {
        ...op,
        kind: {
          type: "source",
          identifier: "docker-image://docker.io/library/alpine:latest",
          attrs: { a: "" },
        },
      },
    ];
    const digests = new Set([op, ...changed].map(opDigest));
    expect(digests.size).toBe(changed.length + 1);
  });
});
