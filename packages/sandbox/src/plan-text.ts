import type { SandboxPlan } from "./plan-encode.ts";
import type { PlanOp } from "./plan-ops.ts";

const LONG_BYTES = 64;

/** CLONE_NEW*. */
function isNamespaces(op: PlanOp["op"], key: string): boolean {
  return key === "flags" && (op === "clone" || op === "unshare" || op === "join_namespace");
}

/** One operation in one line; long byte strings (filter programs) only by their size. */
export function planLine(op: PlanOp): string {
  const { op: name, ...args } = op;
  const words = Object.entries(args).map(([key, value]) => {
    if (value instanceof Uint8Array)
      return `${key}=<${value.length > LONG_BYTES ? "many" : value.length} bytes>`;
    if (Array.isArray(value)) return `${key}=[${value.join(" ")}]`;
    const isMask = typeof value === "bigint" || key === "attrs" || key === "mode" || isNamespaces(name, key);
    return `${key}=${isMask ? `0x${value.toString(16)}` : value}`;
  });
  return [name, ...words].join(" ");
}

/** A plan as text: its lines, in the order in which they are performed. */
export function planText(plan: SandboxPlan): string {
  return plan.ops.map((op) => `${planLine(op)}\n`).join("");
}
