import { type Platform, sha256, type VertexDigest } from "@tsbuild/base";
import { encodeExec } from "./encode-exec.ts";
import { encodeFile } from "./encode-file.ts";
import type { BuildOp, DiffOp, Input, MergeOp, Op, OpKind, SourceOp } from "./op.ts";
import { writeMessage } from "./wire-writer.ts";

function encodeSource(op: SourceOp): Uint8Array {
  return writeMessage((w) => {
    w.string(1, op.identifier);
    w.stringMap(2, op.attrs);
  });
}

/** The messages that consist of one input number (`pb.BuildInput`, `MergeInput`, `LowerDiffInput`, `UpperDiffInput`). */
function encodeIndex(index: number): Uint8Array {
  return writeMessage((w) => w.int(1, index));
}

function encodeBuild(op: BuildOp): Uint8Array {
  const inputs = Object.fromEntries(
    Object.entries(op.inputs).map(([key, index]) => [key, encodeIndex(index)] as const),
  );
  return writeMessage((w) => {
    w.int(1, op.builder);
    w.messageMap(2, inputs);
    if (op.definition !== undefined) w.message(3, op.definition);
    w.stringMap(4, op.attrs);
  });
}

function encodeMerge(op: MergeOp): Uint8Array {
  return writeMessage((w) => {
    for (const input of op.inputs) w.message(1, encodeIndex(input));
  });
}

function encodeDiff(op: DiffOp): Uint8Array {
  return writeMessage((w) => {
    w.message(1, encodeIndex(op.lower));
    w.message(2, encodeIndex(op.upper));
  });
}

/** Field number in `pb.Op` and bytes of the op's kind. */
function encodeKind(kind: OpKind): { field: number; bytes: Uint8Array } {
  switch (kind.type) {
    case "exec":
      return { field: 2, bytes: encodeExec(kind) };
    case "source":
      return { field: 3, bytes: encodeSource(kind) };
    case "file":
      return { field: 4, bytes: encodeFile(kind) };
    case "build":
      return { field: 5, bytes: encodeBuild(kind) };
    case "merge":
      return { field: 6, bytes: encodeMerge(kind) };
    case "diff":
      return { field: 7, bytes: encodeDiff(kind) };
  }
}

function encodePlatform(platform: Platform): Uint8Array {
  return writeMessage((w) => {
    w.string(1, platform.architecture);
    w.string(2, platform.os);
    w.string(3, platform.variant ?? "");
    w.string(4, platform.osVersion ?? "");
  });
}

/** `pb.Input`. */
export function encodeInput(input: Input): Uint8Array {
  return writeMessage((w) => {
    w.string(1, input.digest);
    w.int(2, input.index);
  });
}

/**
 * The op as `pb.Op` (solver/pb/ops.proto of BuildKit), byte for byte as BuildKit's client marshals it: these bytes
 * are what `opDigest` hashes. `constraints` that are present but empty are written, as BuildKit does.
 */
export function marshalOp(op: Op): Uint8Array {
  return writeMessage((w) => {
    for (const input of op.inputs) w.message(1, encodeInput(input));
    const { field, bytes } = encodeKind(op.kind);
    w.message(field, bytes);
    if (op.platform !== undefined) w.message(10, encodePlatform(op.platform));
    if (op.constraints !== undefined) {
      const filters = op.constraints;
      w.message(
        11,
        writeMessage((m) => m.strings(1, filters)),
      );
    }
  });
}

/** Name of the vertex that does `op`: sha256 of its bytes. */
export function opDigest(op: Op): VertexDigest {
  return sha256(marshalOp(op)) as string as VertexDigest;
}
