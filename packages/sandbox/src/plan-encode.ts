/** The plan's wire form; native/sandbox/src/plan.h describes it, and its reader checks every byte of it. */
import { TsbuildError } from "@tsbuild/base";
import { type PlanArgumentKind, type PlanOp, planOps } from "./plan-ops.ts";

/** What the native program performs: operations, and the descriptors of this process that they name by index. */
export interface SandboxPlan {
  readonly fds: readonly number[];
  /** See ExecSpec. */
  readonly stdio: "log" | "input" | "terminal";
  readonly ops: readonly PlanOp[];
}

const MAGIC = Buffer.from("TSBPLAN1");
/** PLAN_INPUT and PLAN_TERMINAL of plan.h. */
const STDIO_FLAGS = { log: 0, input: 1, terminal: 2 } as const;

const FIRST_BYTES = 16 * 1024;

/** One buffer that grows: a plan has a hundred small parts, and a buffer for each would cost more than all else of it. */
class PlanWriter {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #size = 0;

  get written(): Buffer {
    return this.#bytes.subarray(0, this.#size);
  }

  /** Makes room, and returns where it begins. */
  #take(size: number): number {
    const at = this.#size;
    this.#size = at + size;
    if (this.#size > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(this.#size * 2);
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    return at;
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#bytes.writeUInt32LE(value, at);
  }

  /** A length that is known only when what it is of has been written. */
  setU32(at: number, value: number): void {
    this.#bytes.writeUInt32LE(value, at);
  }

  u64(value: number | bigint): void {
    const at = this.#take(8);
    if (typeof value === "number" && value >= 0 && value <= 0xffffffff) {
      this.#bytes.writeUInt32LE(value, at);
      this.#bytes.fill(0, at + 4, at + 8);
    } else this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), at);
  }

  text(value: string): void {
    if (value.includes("\0")) throw zeroByte(value);
    const length = Buffer.byteLength(value);
    this.u32(length);
    const at = this.#take(length + 1);
    this.#bytes.write(value, at);
    this.#bytes[at + length] = 0;
  }

  texts(values: readonly string[]): void {
    this.u32(values.length);
    for (const value of values) this.text(value);
  }

  raw(value: Uint8Array): void {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value);
  }
}

const ENCODERS: Readonly<Record<PlanArgumentKind, (writer: PlanWriter, value: never) => void>> = {
  fd: (writer, value) => writer.u32(value),
  u64: (writer, value) => writer.u64(value),
  str: (writer, value) => writer.text(value),
  strs: (writer, value) => writer.texts(value),
  bytes: (writer, value) => writer.bytes(value),
};

function writeOp(writer: PlanWriter, op: PlanOp): void {
  const { code, args } = planOps[op.op];
  const values = op as unknown as Readonly<Record<string, never>>;
  writer.u32(code);
  for (const [name, kind] of args) ENCODERS[kind](writer, values[name]!);
}

/** Operations that are the same in many plans, with what they are on the wire. */
interface SharedOps {
  readonly ops: readonly PlanOp[];
  readonly bytes: Uint8Array;
}

/** Found by the first of them. */
const shared = new WeakMap<PlanOp, SharedOps>();

/** Returns the operations; plans that have them in a row are encoded without looking at each again. They must stay as they are. */
export function shareOps(ops: readonly PlanOp[]): readonly PlanOp[] {
  const [first] = ops;
  if (first === undefined) return ops;
  const writer = new PlanWriter();
  for (const op of ops) writeOp(writer, op);
  shared.set(first, { ops, bytes: Uint8Array.from(writer.written) });
  return ops;
}

/** The shared operations that begin at this place of a plan. */
export function sharedAt(ops: readonly PlanOp[], at: number): SharedOps | undefined {
  const first = ops[at];
  const known = first === undefined ? undefined : shared.get(first);
  return known?.ops.every((one, i) => one === ops[at + i]) === true ? known : undefined;
}

function writeOps(writer: PlanWriter, ops: readonly PlanOp[]): void {
  for (let at = 0; at < ops.length; ) {
    const known = sharedAt(ops, at);
    if (known === undefined) writeOp(writer, ops[at]!);
    else writer.raw(known.bytes);
    at += known?.ops.length ?? 1;
  }
}

function zeroByte(value: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `a zero byte in ${JSON.stringify(value)}`, {
    hint: "the kernel takes none in arguments, variables and paths",
  });
}

/** Bytes of what goes before a plan's body. */
export const PLAN_HEADER_BYTES = MAGIC.length + 4;

/** Bytes for the control socket. Throws TSB_USAGE on a string with a NUL, which no system call could take. */
export function encodePlan(plan: SandboxPlan): Buffer {
  const writer = new PlanWriter();
  writer.raw(MAGIC);
  writer.u32(0);
  writer.u32(plan.fds.length);
  writer.u32(STDIO_FLAGS[plan.stdio]);
  writer.u32(plan.ops.length);
  writeOps(writer, plan.ops);
  const { written } = writer;
  writer.setU32(MAGIC.length, written.length - PLAN_HEADER_BYTES);
  return written;
}
