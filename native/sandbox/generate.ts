/**
 * Makes packages/sandbox/src/plan-ops.ts of native/plan.def, so that the encoder cannot disagree with the C reader. Run by the
 * native build; a test compares the committed file.
 */
import { readFileSync, writeFileSync } from "node:fs";

const table = new URL("../plan.def", import.meta.url);
const target = new URL("../../packages/sandbox/src/plan-ops.ts", import.meta.url);

const KINDS: Readonly<Record<string, { kind: string; type: string }>> = {
  FD: { kind: "fd", type: "number" },
  U64: { kind: "u64", type: "number | bigint" },
  STR: { kind: "str", type: "string" },
  STRS: { kind: "strs", type: "readonly string[]" },
  BYTES: { kind: "bytes", type: "Uint8Array" },
};

interface Operation {
  readonly name: string;
  readonly args: readonly { readonly name: string; readonly kind: string; readonly type: string }[];
}

function parseArgument(text: string): Operation["args"][number] {
  const [, macro = "", name = ""] = /^(\w+)\((\w+)\)$/.exec(text) ?? [];
  const kind = KINDS[macro];
  if (kind === undefined) throw new Error(`plan.def: unknown argument ${JSON.stringify(text)}`);
  return { name, ...kind };
}

function parseTable(text: string): Operation[] {
  return [...text.matchAll(/^PLAN_OP\((\w+),(.*)\)$/gm)].map(([, name = "", args = ""]) => ({
    name,
    args: args.split(/\s+/).filter(Boolean).map(parseArgument),
  }));
}

function interfaceLine(operation: Operation): string {
  const fields = operation.args.map((arg) => `; readonly ${arg.name}: ${arg.type}`).join("");
  return `  | { readonly op: "${operation.name}"${fields} }`;
}

function tableLines(operation: Operation, code: number): string {
  const args = operation.args.map((arg) => `["${arg.name}", "${arg.kind}"]`).join(", ");
  return `  ${operation.name}: { code: ${code}, args: [${args}] },`;
}

/** The text of plan-ops.ts. */
export function generatePlanOps(): string {
  const operations = parseTable(readFileSync(table, "utf8"));
  return `// Generated from native/plan.def by native/sandbox/generate.ts. Do not edit.
// biome-ignore-all format: generated

/** One line of a plan: see native/plan.def for what each does. */
export type PlanOp =
${operations.map(interfaceLine).join("\n")};

export type PlanArgumentKind = "fd" | "u64" | "str" | "strs" | "bytes";

/** Code on the wire and arguments in order, by operation. */
export const planOps: Readonly<
  Record<PlanOp["op"], { readonly code: number; readonly args: readonly (readonly [string, PlanArgumentKind])[] }>
> = {
${operations.map(tableLines).join("\n")}
};
`;
}

/** Writes plan-ops.ts if it differs. */
export function writePlanOps(): void {
  const text = generatePlanOps();
  if (readFileSync(target, { encoding: "utf8", flag: "a+" }) !== text) writeFileSync(target, text);
}

if (import.meta.main) writePlanOps();
