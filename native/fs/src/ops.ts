import type { Existing, NodeOptions, TreeOp, Xattr } from "./api.ts";
import { encodeName } from "./names.ts";
import { splitTime } from "./time.ts";

const HEADER_BYTES = 16;
const OP_BYTES = 64;
const MAKE_PARENTS = 1;
const HAS_MTIME = 2;
const USERXATTR = 4;

/** The numbers of core/ops.h. */
const TYPES: Readonly<Record<TreeOp["type"], number>> = {
  folder: 0,
  copy: 1,
  file: 2,
  symlink: 3,
  hardlink: 4,
  node: 5,
  whiteout: 6,
  opaque: 7,
  remove: 8,
  times: 9,
  move: 10,
};
const EXISTING: Readonly<Record<Existing, number>> = { error: 0, replace: 1, copy: 2, keep: 3 };
const NODE_TYPES = { fifo: 0o010000, char: 0o020000, block: 0o060000, socket: 0o140000 } as const;

const EMPTY = new Uint8Array(0);

/** One growing block: an op is a few writes into it, no buffer of its own. Its memory is nobody else's. */
class Writer {
  #buffer = Buffer.allocUnsafeSlow(64 * 1024);
  #length = 0;

  /** Claims `bytes`, and returns where they start. */
  claim(bytes: number): number {
    const start = this.#length;
    this.#length += bytes;
    if (this.#length > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(this.#length, this.#buffer.length * 2));
      this.#buffer.copy(grown, 0, 0, start);
      // Given back at once: V8 lets megabytes of such pile up in each thread.
      this.#buffer.buffer.transfer(0);
      this.#buffer = grown;
    }
    return start;
  }

  get buffer(): Buffer {
    return this.#buffer;
  }

  /** Writes a text and a NUL behind it; returns the text's length in bytes. */
  text(text: string): number {
    if (!text.isWellFormed()) return this.bytes(encodeName(text), 1);
    // Three bytes per UTF-16 unit is the most that UTF-8 takes; what is not used is given back.
    const start = this.claim(text.length * 3 + 1);
    const length = this.#buffer.write(text, start, "utf8");
    this.#buffer[start + length] = 0;
    this.#length = start + length + 1;
    return length;
  }

  /** Writes bytes and `zeros` behind them; returns the length without those. */
  bytes(bytes: Uint8Array, zeros = 0): number {
    const start = this.claim(bytes.length + zeros);
    this.#buffer.set(bytes, start);
    this.#buffer.fill(0, start + bytes.length, start + bytes.length + zeros);
    return bytes.length;
  }

  get length(): number {
    return this.#length;
  }

  finish(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }
}

function writeXattrs(writer: Writer, xattrs: readonly Xattr[]): number {
  let total = 0;
  for (const { name, value } of xattrs) {
    const start = writer.claim(8);
    const nameLength = writer.bytes(encodeName(name));
    writer.buffer.writeUInt32LE(nameLength, start);
    writer.buffer.writeUInt32LE(writer.bytes(value), start + 4);
    total += 8 + nameLength + value.length;
  }
  return total;
}

/** The text that goes with an op besides its path. */
function argumentOf(op: TreeOp | FileHead): string {
  if (op.type === "copy" || op.type === "move") return op.from;
  if (op.type === "symlink") return op.target;
  return op.type === "hardlink" ? op.to : "";
}

function modeOf(op: TreeOp | FileHead): number {
  if (op.type === "node") return NODE_TYPES[op.kind] | op.mode;
  return "mode" in op ? op.mode : 0;
}

function flagsOf(op: TreeOp | FileHead, mtimeNs: bigint | undefined): number {
  const userxattr = op.type === "opaque" && op.userxattr;
  return (
    (op.makeParents ? MAKE_PARENTS : 0) |
    (mtimeNs === undefined ? 0 : HAS_MTIME) |
    (userxattr ? USERXATTR : 0)
  );
}

function writeFixed(buffer: Buffer, at: number, op: TreeOp | FileHead): void {
  const { uid = 0, gid = 0, mtimeNs } = op as Partial<NodeOptions>;
  const time = mtimeNs === undefined ? undefined : splitTime(mtimeNs);
  buffer[at] = TYPES[op.type];
  buffer[at + 1] = EXISTING[op.existing];
  buffer[at + 2] = flagsOf(op, mtimeNs);
  buffer[at + 3] = 0;
  buffer.writeUInt32LE(modeOf(op), at + 4);
  buffer.writeUInt32LE(uid, at + 8);
  buffer.writeUInt32LE(gid, at + 12);
  buffer.writeUInt32LE(time?.nanos ?? 0, at + 16);
  buffer.writeUInt32LE(op.type === "node" ? op.major : 0, at + 20);
  buffer.writeUInt32LE(op.type === "node" ? op.minor : 0, at + 24);
  buffer.writeUInt32LE(op.xattrs?.length ?? 0, at + 28);
  buffer.writeBigInt64LE(time?.seconds ?? 0n, at + 32);
}

/** Begins an op; what follows are its data and its extended attributes. Returns where it starts. */
function writeHead(writer: Writer, op: TreeOp | FileHead): number {
  const start = writer.claim(OP_BYTES);
  writeFixed(writer.buffer, start, op);
  const pathLength = writer.text(op.path);
  const argumentLength = writer.text(argumentOf(op));
  writer.buffer.writeUInt32LE(pathLength, start + 40);
  writer.buffer.writeUInt32LE(argumentLength, start + 44);
  return start;
}

/** Ends the op that starts at `start`. */
function writeEnd(writer: Writer, op: TreeOp | FileHead, start: number, dataLength: number): void {
  const xattrLength = op.xattrs === undefined ? 0 : writeXattrs(writer, op.xattrs);
  const { buffer } = writer;
  buffer.writeBigUInt64LE(BigInt(dataLength), start + 48);
  buffer.writeBigUInt64LE(BigInt(xattrLength), start + 56);
}

function writeBatchHead(writer: Writer, count: number): void {
  writer.buffer.write("TSBOPS01", 0, "latin1");
  writer.buffer.writeUInt32LE(count, 8);
  writer.buffer.writeUInt32LE(0, 12);
}

/** A file whose content comes apart from it. */
export type FileHead = Omit<Extract<TreeOp, { type: "file" }>, "data">;

/** A batch for `apply` that grows op by op, in memory that is kept. The format is described in core/ops.h. */
export class TreeOpBatch {
  readonly #writer = new Writer();
  #count = 0;

  constructor() {
    this.clear();
  }

  get sizeBytes(): number {
    return this.#writer.length;
  }

  get count(): number {
    return this.#count;
  }

  add(op: TreeOp): void {
    const start = writeHead(this.#writer, op);
    writeEnd(this.#writer, op, start, this.#writer.bytes(op.type === "file" ? op.data : EMPTY));
    this.#count += 1;
  }

  /** Adds a file and all that is in it. */
  addWhole(op: FileHead, content: Uint8Array): void {
    const start = writeHead(this.#writer, op);
    writeEnd(this.#writer, op, start, this.#writer.bytes(content));
    this.#count += 1;
  }

  /**
   * Adds a file of exactly `sizeBytes`; it is done with a piece when it asks for the next. When `content` fails, or is not so long, the
   * batch is good for nothing but `clear`.
   */
  async addFile(op: FileHead, sizeBytes: number, content: AsyncIterable<Uint8Array>): Promise<void> {
    const start = writeHead(this.#writer, op);
    const data = this.#writer.claim(sizeBytes);
    let filled = 0;
    for await (const piece of content) {
      if (piece.length > sizeBytes - filled)
        throw new RangeError(`${op.path} has more than ${sizeBytes} bytes`);
      this.#writer.buffer.set(piece, data + filled);
      filled += piece.length;
    }
    if (filled < sizeBytes) throw new RangeError(`${op.path} has ${filled} of ${sizeBytes} bytes`);
    writeEnd(this.#writer, op, start, sizeBytes);
    this.#count += 1;
  }

  /** The batch so far; gone when more is added. */
  bytes(): Buffer {
    writeBatchHead(this.#writer, this.#count);
    return this.#writer.finish();
  }

  clear(): void {
    this.#writer.clear();
    this.#writer.claim(HEADER_BYTES);
    this.#count = 0;
  }
}

/** The batch that `apply` takes, in memory of its own. */
export function encodeTreeOps(ops: Iterable<TreeOp>): Buffer {
  const batch = new TreeOpBatch();
  for (const op of ops) batch.add(op);
  return batch.bytes();
}
