import type { Platform, VertexDigest } from "@tsbuild/base";
import { isDigest } from "@tsbuild/base";
import { decodeExec } from "./decode-exec.ts";
import { decodeFile } from "./decode-file.ts";
import type { BuildOp, DiffOp, Input, MergeOp, Op, OpKind, SourceOp } from "./op.ts";
import { bytes, int, malformed, mapEntry, readMessage, text } from "./wire-reader.ts";

/** A `map<string, string>` field: the reader, and the record once the message is read. */
export function stringMap(): { field: ReturnType<typeof bytes>; record(): Record<string, string> } {
  const entries: [string, string][] = [];
  return {
    field: mapEntry("", text, (key, value) => entries.push([key, value])),
    // fromEntries defines own properties: a key named __proto__ stays a key.
    record: () => Object.fromEntries(entries),
  };
}

function decodeSource(data: Uint8Array): SourceOp {
  const attrs = stringMap();
  let identifier = "";
  readMessage(data, "SourceOp", {
    1: text((v) => {
      identifier = v;
    }),
    2: attrs.field,
  });
  return { type: "source", identifier, attrs: attrs.record() };
}

function decodeIndex(data: Uint8Array): number {
  let index = 0;
  readMessage(data, "input number", {
    1: int((v) => {
      index = v;
    }),
  });
  return index;
}

function decodeBuild(data: Uint8Array): BuildOp {
  const attrs = stringMap();
  const inputs: [string, number][] = [];
  let builder = 0;
  let definition: Uint8Array | undefined;
  readMessage(data, "BuildOp", {
    1: int((v) => {
      builder = v;
    }),
    2: mapEntry<Uint8Array>(new Uint8Array(), bytes, (key, value) => inputs.push([key, decodeIndex(value)])),
    3: bytes((v) => {
      definition = v;
    }),
    4: attrs.field,
  });
  return { type: "build", builder, inputs: Object.fromEntries(inputs), definition, attrs: attrs.record() };
}

function decodeMerge(data: Uint8Array): MergeOp {
  const inputs: number[] = [];
  readMessage(data, "MergeOp", { 1: bytes((v) => inputs.push(decodeIndex(v))) });
  return { type: "merge", inputs };
}

function decodeDiff(data: Uint8Array): DiffOp {
  let lower = -1;
  let upper = -1;
  readMessage(data, "DiffOp", {
    1: bytes((v) => {
      lower = decodeIndex(v);
    }),
    2: bytes((v) => {
      upper = decodeIndex(v);
    }),
  });
  return { type: "diff", lower, upper };
}

function decodePlatform(data: Uint8Array): Platform {
  const platform: { os: string; architecture: string; variant?: string; osVersion?: string } = {
    os: "",
    architecture: "",
  };
  readMessage(data, "Platform", {
    1: text((v) => {
      platform.architecture = v;
    }),
    2: text((v) => {
      platform.os = v;
    }),
    3: text((v) => {
      platform.variant = v;
    }),
    4: text((v) => {
      platform.osVersion = v;
    }),
  });
  return platform;
}

function decodeConstraints(data: Uint8Array): string[] {
  const filters: string[] = [];
  readMessage(data, "WorkerConstraints", { 1: text((v) => filters.push(v)) });
  return filters;
}

function decodeInput(data: Uint8Array): Input {
  let digest = "";
  let index = 0;
  readMessage(data, "Input", {
    1: text((v) => {
      digest = v;
    }),
    2: int((v) => {
      index = v;
    }),
  });
  if (!isDigest(digest)) throw malformed(`${JSON.stringify(digest)} is not a vertex digest`);
  if (index < 0) throw malformed(`the output number ${index} is negative`);
  return { digest: digest as string as VertexDigest, index };
}

/** A read op; `kind` is absent in the op that points at the result. */
export type DecodedOp = Omit<Op, "kind"> & { readonly kind: OpKind | undefined };

/** Reads a `pb.Op`. Throws TSB_USAGE for damaged bytes, TSB_UNSUPPORTED for fields of a newer protocol. */
export function decodeOp(data: Uint8Array): DecodedOp {
  const inputs: Input[] = [];
  let kind: OpKind | undefined;
  let platform: Platform | undefined;
  let constraints: string[] | undefined;
  readMessage(data, "Op", {
    1: bytes((v) => inputs.push(decodeInput(v))),
    2: bytes((v) => {
      kind = decodeExec(v);
    }),
    3: bytes((v) => {
      kind = decodeSource(v);
    }),
    4: bytes((v) => {
      kind = decodeFile(v);
    }),
    5: bytes((v) => {
      kind = decodeBuild(v);
    }),
    6: bytes((v) => {
      kind = decodeMerge(v);
    }),
    7: bytes((v) => {
      kind = decodeDiff(v);
    }),
    10: bytes((v) => {
      platform = decodePlatform(v);
    }),
    11: bytes((v) => {
      constraints = decodeConstraints(v);
    }),
  });
  return { inputs, kind, platform, constraints };
}
