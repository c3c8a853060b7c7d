import type { CacheReason } from "@tsbuild/base";
import type { CacheRecord, KeyField } from "./ports.ts";

/** A vertex that had to run, with what its key was made of. */
export interface MissSubject {
  /** Its records were not looked at. */
  readonly ignored: boolean;
  /** A key that once had a result was reached, but the result is gone. */
  readonly evicted: boolean;
  /** False when nothing says what one of its inputs is: such a vertex is never recorded. */
  readonly cacheable: boolean;
  readonly isSource: boolean;
  /** As recorded: `input.N` and `content.N` say what input N was known by, `file:PATH` is content, the others are the op's. */
  readonly fields: readonly KeyField[];
  readonly inputs: readonly MissInput[];
}

export interface MissInput {
  readonly name: string;
  readonly isSource: boolean;
  /** Was itself run in this solve. */
  readonly rebuilt: boolean;
}

/** Names shown of a longer list. */
const MAX_NAMES = 3;

/**
 * Why a vertex was run, in one line, by comparing it with the newest record of the same description. The most specific
 * cause wins: what the user changed (argument, instruction, file) before what followed from it (an input was rebuilt).
 */
export function explainMiss(record: CacheRecord | undefined, current: MissSubject): CacheReason {
  if (current.ignored) return { kind: "no-cache", text: "cache not used" };
  if (!current.cacheable) return { kind: "not-cacheable", text: "an input has no identity to cache by" };
  if (record === undefined) {
    return current.evicted
      ? { kind: "evicted", text: "cached result was removed" }
      : { kind: "never-built", text: "never built before" };
  }
  const changes = compareFields(record.fields, current.fields);
  return (
    baseReason(changes, current) ??
    argReason(changes) ??
    instructionReason(changes) ??
    contentReason(changes, current) ??
    inputReason(changes, current) ?? { kind: "evicted", text: "cached result was removed" }
  );
}

interface FieldChange {
  readonly name: string;
  readonly type: "changed" | "added" | "removed";
}

function compareFields(before: readonly KeyField[], now: readonly KeyField[]): readonly FieldChange[] {
  const old = valuesByName(before);
  const fresh = valuesByName(now);
  const changes: FieldChange[] = [];
  for (const [name, value] of fresh) {
    const known = old.get(name);
    if (known === undefined) changes.push({ name, type: "added" });
    else if (known !== value) changes.push({ name, type: "changed" });
  }
  for (const name of old.keys()) if (!fresh.has(name)) changes.push({ name, type: "removed" });
  return changes;
}

/** A name may come more than once (two inputs with a file of one path): its values count together, in order. */
function valuesByName(fields: readonly KeyField[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { name, value } of fields) {
    const known = values.get(name);
    values.set(name, known === undefined ? JSON.stringify(value) : `${known},${JSON.stringify(value)}`);
  }
  return values;
}

const ARG = /^(?:env|arg)\./;
const FILE = /^file:/;
const INPUT = /^(?:input|content)\.(\d+)$/;

function baseReason(changes: readonly FieldChange[], current: MissSubject): CacheReason | undefined {
  if (!current.isSource || changes.length === 0) return undefined;
  return { kind: "base", text: "source changed" };
}

function argReason(changes: readonly FieldChange[]): CacheReason | undefined {
  const names = changes.filter(({ name }) => ARG.test(name));
  if (names.length === 0) return undefined;
  return {
    kind: "arg",
    text: list(names.map((change) => ({ ...change, name: change.name.replace(ARG, "") }))),
  };
}

function instructionReason(changes: readonly FieldChange[]): CacheReason | undefined {
  const names = changes.filter(({ name }) => !ARG.test(name) && !FILE.test(name) && !INPUT.test(name));
  if (names.length === 0) return undefined;
  return { kind: "instruction", text: `instruction ${list(names)}` };
}

function contentReason(changes: readonly FieldChange[], current: MissSubject): CacheReason | undefined {
  const contents = changes.filter(({ name }) => name.startsWith("content."));
  if (contents.length === 0) return undefined;
  const files = changes.filter(({ name }) => FILE.test(name));
  if (files.length > 0) {
    const names = files.map((change) => ({ ...change, name: change.name.replace(FILE, "") }));
    return { kind: "input-content", text: list(names) };
  }
  const input = inputOf(contents, current)[0];
  return { kind: "input-content", text: `changed: content of ${input?.name ?? "an input"}` };
}

function inputReason(changes: readonly FieldChange[], current: MissSubject): CacheReason | undefined {
  const inputs = inputOf(changes, current);
  const input = inputs.find(({ rebuilt }) => rebuilt) ?? inputs[0];
  if (input === undefined) return undefined;
  if (input.isSource) return { kind: "base", text: `base changed: ${input.name}` };
  return { kind: "input", text: `after ${input.name}` };
}

function inputOf(changes: readonly FieldChange[], current: MissSubject): readonly MissInput[] {
  return changes.flatMap(({ name }) => {
    const number = INPUT.exec(name)?.[1];
    const input = number === undefined ? undefined : current.inputs[Number(number)];
    return input === undefined ? [] : [input];
  });
}

/** `changed: a, b, c and 4 more`. One word for all: the first's, which is what the reader sees. */
function list(changes: readonly FieldChange[]): string {
  const order = ["changed", "added", "removed"] as const;
  const type = order.find((wanted) => changes.some((change) => change.type === wanted)) ?? "changed";
  const sorted = [...changes].sort((a, b) => order.indexOf(a.type) - order.indexOf(b.type));
  const shown = sorted.slice(0, MAX_NAMES).map(({ name }) => name);
  const rest = sorted.length - shown.length;
  return `${type}: ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
