/** The plan's wire form; native/sandbox/src/plan.h describes it, and its reader checks every byte of it. */
import { type PlanArgumentKind, type PlanOp, planOps } from "./plan-ops.ts";

/** What the native program performs: operations, and the descriptors of this process that they name by index. */
export interface SandboxPlan {
  readonly fds: readonly number[];
  /** See ExecSpec. */
  readonly stdio: "log" | "input" | "terminal";
  readonly ops: readonly PlanOp[];
}

const MAGIC = "TSBPLAN1";
/** PLAN_INPUT and PLAN_TERMINAL of plan.h. */
const STDIO_FLAGS = { log: 0, input: 1, terminal: 2 } as const;

function u32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number | bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
}

function text(value: string): Buffer {
  if (value.includes("\0")) throw new TypeError(`NUL in ${JSON.stringify(value)}`);
  const bytes = Buffer.from(value);
  return Buffer.concat([u32(bytes.length), bytes, Buffer.alloc(1)]);
}

const ENCODERS: Readonly<Record<PlanArgumentKind, (value: never) => Buffer>> = {
  fd: u32,
  u64,
  str: text,
  strs: (values: readonly string[]) => Buffer.concat([u32(values.length), ...values.map(text)]),
  bytes: (value: Uint8Array) => Buffer.concat([u32(value.length), value]),
};

function encodeOp(op: PlanOp): Buffer {
  const { code, args } = planOps[op.op];
  const values = op as unknown as Readonly<Record<string, never>>;
  return Buffer.concat([u32(code), ...args.map(([name, kind]) => ENCODERS[kind](values[name]!))]);
}

/** Bytes for the control socket. Throws TypeError on a string with a NUL, which no system call could take. */
export function encodePlan(plan: SandboxPlan): Buffer {
  const body = Buffer.concat([
    u32(plan.fds.length),
    u32(STDIO_FLAGS[plan.stdio]),
    u32(plan.ops.length),
    ...plan.ops.map(encodeOp),
  ]);
  return Buffer.concat([Buffer.from(MAGIC), u32(body.length), body]);
}
