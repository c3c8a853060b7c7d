import { type Platform, sha256, type VertexDigest } from "@tsbuild/base";
import { writeExec } from "./encode-exec.ts";
import { writeFile } from "./encode-file.ts";
import type { BuildOp, DiffOp, Input, MergeOp, Op, OpKind, SourceOp } from "./op.ts";
import { type MessageWriter, type WriteMessage, writeMessage } from "./wire-writer.ts";

function writeSource(w: MessageWriter, op: SourceOp): void {
  w.string(1, op.identifier);
  w.stringMap(2, op.attrs);
}

/** The messages that consist of one input number (`pb.BuildInput`, `MergeInput`, `LowerDiffInput`, `UpperDiffInput`). */
function inputNumber(index: number): WriteMessage {
  return (w) => w.int(1, index);
}

function writeBuild(w: MessageWriter, op: BuildOp): void {
  const inputs = Object.fromEntries(
    Object.entries(op.inputs).map(([key, index]) => [key, writeMessage(inputNumber(index))] as const),
  );
  w.int(1, op.builder);
  w.messageMap(2, inputs);
  if (op.definition !== undefined) w.message(3, op.definition);
  w.stringMap(4, op.attrs);
}

function writeMerge(w: MessageWriter, op: MergeOp): void {
  for (const input of op.inputs) w.message(1, inputNumber(input));
}

function writeDiff(w: MessageWriter, op: DiffOp): void {
  w.message(1, inputNumber(op.lower));
  w.message(2, inputNumber(op.upper));
}

/** The op's kind, in its field of `pb.Op`. */
function writeKind(w: MessageWriter, kind: OpKind): void {
  switch (kind.type) {
    case "exec":
      w.message(2, (m) => writeExec(m, kind));
      break;
    case "source":
      w.message(3, (m) => writeSource(m, kind));
      break;
    case "file":
      w.message(4, (m) => writeFile(m, kind));
      break;
    case "build":
      w.message(5, (m) => writeBuild(m, kind));
      break;
    case "merge":
      w.message(6, (m) => writeMerge(m, kind));
      break;
    case "diff":
      w.message(7, (m) => writeDiff(m, kind));
      break;
  }
}

function writePlatform(w: MessageWriter, platform: Platform): void {
  w.string(1, platform.architecture);
  w.string(2, platform.os);
  w.string(3, platform.variant ?? "");
  w.string(4, platform.osVersion ?? "");
}

/** `pb.Input`. */
export function writeInput(w: MessageWriter, input: Input): void {
  w.string(1, input.digest);
  w.int(2, input.index);
}

/**
 * The op as `pb.Op` (solver/pb/ops.proto of BuildKit), byte for byte as BuildKit's client marshals it: these bytes
 * are what `opDigest` hashes. `constraints` that are present but empty are written, as BuildKit does.
 */
export function marshalOp({ inputs, kind, platform, constraints }: Op): Uint8Array {
  return writeMessage((w) => {
    for (const input of inputs) w.message(1, (m) => writeInput(m, input));
    writeKind(w, kind);
    if (platform !== undefined) w.message(10, (m) => writePlatform(m, platform));
    if (constraints !== undefined) w.message(11, (m) => m.strings(1, constraints));
  });
}

/** Name of the vertex that does `op`: sha256 of its bytes. */
export function opDigest(op: Op): VertexDigest {
  return sha256(marshalOp(op)) as string as VertexDigest;
}
