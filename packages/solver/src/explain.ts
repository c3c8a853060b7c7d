import type { CacheReason, KeyChange, VertexDigest } from "@tsbuild/base";
import type { CacheRecord, KeyField } from "./ports.ts";

/** A vertex that had to run, with what its key was made of. */
export interface MissSubject {
  /** Its records were not looked at: who asked for that, e.g. `--no-cache`. */
  readonly ignored: string | undefined;
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
  readonly vertex: VertexDigest;
  readonly name: string;
  readonly isSource: boolean;
  /** Why it was itself run in this solve. */
  readonly rebuilt: CacheReason | undefined;
  /** For a source that was not: how it differs from what the earlier record was built on. */
  readonly moved?: readonly KeyChange[] | undefined;
}

/** Names shown of a longer list. */
const MAX_NAMES = 3;
/** Letters shown of a value in one line, and kept of it in the list of changes. */
const MAX_SHOWN = 40;
const MAX_KEPT = 400;
const MAX_CHANGES = 100;

/**
 * Why a vertex was run, in one line, by comparing it with an earlier record of the same step (W001). The most specific
 * cause wins: what the user changed (argument, instruction, file) before what followed from it (an input was rebuilt).
 */
export function explainMiss(
  record: CacheRecord | "first-build" | undefined,
  current: MissSubject,
): CacheReason {
  if (current.ignored !== undefined) return { kind: "no-cache", text: current.ignored };
  if (!current.cacheable) return { kind: "not-cacheable", text: "an input has no identity to cache by" };
  if (record === "first-build" && !current.evicted) return { kind: "first-build", text: "first build" };
  if (typeof record !== "object")
    return current.evicted ? EVICTED : { kind: "never-built", text: "never built here" };
  const changes = compareFields(record.fields, current.fields);
  const reason =
    sourceReason(changes, current) ??
    argReason(changes) ??
    instructionReason(changes) ??
    contentReason(changes, current) ??
    inputReason(changes, current) ??
    evictedReason(record);
  return changes.length === 0 ? reason : { ...reason, changes: changes.slice(0, MAX_CHANGES).map(kept) };
}

/** `evicted by gc at 2026-11-21 09:30 UTC`, where a trace was left. */
function evictedReason({ evicted }: CacheRecord): CacheReason {
  if (evicted === undefined) return EVICTED;
  const at = new Date(evicted.at).toISOString().slice(0, 16).replace("T", " ");
  return { kind: "evicted", text: `evicted by ${evicted.by} at ${at} UTC` };
}

const EVICTED: CacheReason = { kind: "evicted", text: "evicted" };

/** What differs between two lists of fields: in the order of the new one, then what is gone. */
export function compareFields(before: readonly KeyField[], now: readonly KeyField[]): readonly KeyChange[] {
  const old = valuesByName(before);
  const fresh = valuesByName(now);
  const changes: KeyChange[] = [];
  for (const [name, after] of fresh) {
    const known = old.get(name);
    if (known === undefined) changes.push({ name, after });
    else if (known !== after) changes.push({ name, before: known, after });
  }
  for (const [name, value] of old) if (!fresh.has(name)) changes.push({ name, before: value });
  return changes;
}

/** A name may come more than once (two inputs with a file of one path): its values count together, in order. */
function valuesByName(fields: readonly KeyField[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const { name, value } of fields) {
    const known = values.get(name);
    values.set(name, known === undefined ? value : `${known}, ${value}`);
  }
  return values;
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}

function kept({ name, before, after }: KeyChange): KeyChange {
  return {
    name,
    ...(before === undefined ? {} : { before: cut(before, MAX_KEPT) }),
    ...(after === undefined ? {} : { after: cut(after, MAX_KEPT) }),
  };
}

/** `1 → 2`, `added`, `removed`. */
function fromTo({ before, after }: KeyChange): string {
  if (before === undefined) return "added";
  if (after === undefined) return "removed";
  return `${shown(before)} → ${shown(after)}`;
}

/** One line of printable text; a digest by its beginning. */
function shown(value: string): string {
  const digest = /^(sha256:[0-9a-f]{12})[0-9a-f]{52}$/.exec(value)?.[1];
  if (digest !== undefined) return digest;
  return value === "" ? '""' : cut(JSON.stringify(value).slice(1, -1), MAX_SHOWN);
}

const VARIABLE = /^(arg|env)\./;
const FILE = /^file:/;
const INPUT = /^(?:input|content)\.(\d+)$/;

function sourceReason(changes: readonly KeyChange[], current: MissSubject): CacheReason | undefined {
  return current.isSource && changes.length > 0 ? movedReason(changes) : undefined;
}

function movedReason(changes: readonly KeyChange[]): CacheReason {
  const [change] = changes;
  if (change?.before === undefined || change.after === undefined)
    return { kind: "base", text: "another source" };
  const url = /^url:(.*)$/.exec(change.name)?.[1];
  const text = url === undefined ? `${change.name} moved ${fromTo(change)}` : `changed: ${url}`;
  return { kind: "base", text };
}

function argReason(changes: readonly KeyChange[]): CacheReason | undefined {
  const variables = changes.filter(({ name }) => VARIABLE.test(name));
  const [first] = variables;
  if (first === undefined) return undefined;
  const rest = variables.length - 1;
  const name = first.name.replace(VARIABLE, (_prefix: string, kind: string) => `${kind.toUpperCase()} `);
  return { kind: "arg", text: `${name} ${fromTo(first)}${rest > 0 ? ` and ${rest} more` : ""}` };
}

/** Parts of an instruction that say more than that it was edited. */
const SPEAKING = new Map([
  ["cwd", "WORKDIR"],
  ["user", "USER"],
  ["network", "network"],
  ["security", "security"],
  ["platform", "platform"],
  ["hostname", "hostname"],
]);

/** What comes from elsewhere than the instruction's text, or is no text that one line could show. */
const CHANGED = new Map([
  ["hosts", "--add-host"],
  ["ulimits", "--ulimit"],
  ["cgroup", "--cgroup-parent"],
  ["devices", "devices"],
  ["mounts", "mounts or --shm-size"],
]);

function instructionReason(changes: readonly KeyChange[]): CacheReason | undefined {
  const own = changes.filter(({ name }) => !VARIABLE.test(name) && !FILE.test(name) && !INPUT.test(name));
  const [first] = own;
  if (first === undefined) return undefined;
  if (first.name.startsWith("secret."))
    return { kind: "instruction", text: `secret ${first.name.slice(7)} changed` };
  return {
    kind: "instruction",
    text: (own.length === 1 ? partText(first) : undefined) ?? "instruction edited",
  };
}

/** Of a single part that changed; undefined where the instruction itself is what a reader would look at. */
function partText(change: KeyChange): string | undefined {
  const speaking = SPEAKING.get(change.name);
  if (speaking !== undefined) return `${speaking} ${fromTo(change)}`;
  const changed = CHANGED.get(change.name);
  return changed === undefined ? undefined : `${changed} changed`;
}

function contentReason(changes: readonly KeyChange[], current: MissSubject): CacheReason | undefined {
  const contents = changes.filter(({ name }) => name.startsWith("content."));
  if (contents.length === 0) return undefined;
  const files = changes.filter(({ name }) => FILE.test(name));
  if (files.length > 0) return { kind: "input-content", text: filesText(files) };
  const input = inputsOf(contents, current)[0];
  return { kind: "input-content", text: `changed: content of ${input?.name ?? "an input"}` };
}

/** Where a single file differs in an attribute and in nothing else, that attribute is named (W009). */
function filesText(files: readonly KeyChange[]): string {
  const changes = withoutFullFolders(
    files.map((change) => ({ ...change, name: change.name.replace(FILE, "") })),
  );
  const [first] = changes;
  const attribute = changes.length === 1 && first !== undefined ? attributeText(first) : undefined;
  return attribute ?? list(changes);
}

/** A folder that came or went with what is in it goes without saying. */
function withoutFullFolders(changes: readonly KeyChange[]): readonly KeyChange[] {
  return changes.filter(
    (folder) =>
      !folder.name.endsWith("/") ||
      typeOf(folder) === "changed" ||
      !changes.some((change) => change !== folder && change.name.startsWith(folder.name)),
  );
}

/**
 * The value of a `file:` field: `MODE CONTENT`, then each behind a tab `owner U:G` and attributes with a digest of their value.
 * Undefined where the content differs, or several attributes.
 */
function attributeText({ name, before, after }: KeyChange): string | undefined {
  if (before === undefined || after === undefined) return undefined;
  const [old, now] = [attributesOf(before), attributesOf(after)];
  if (old === undefined || now === undefined) return undefined;
  const [change, ...more] = compareFields(old, now);
  if (change === undefined || more.length > 0 || change.name === "content") return undefined;
  const { name: attribute } = change;
  if (attribute === "mode" || attribute === "owner")
    return `changed: ${attribute} of ${name} ${fromTo(change)}`;
  const shownName = attribute === "security.capability" ? "capabilities" : `attribute ${attribute}`;
  return `${typeOf(change)}: ${shownName} of ${name}`;
}

function attributesOf(value: string): readonly KeyField[] | undefined {
  const [head = "", ...attributes] = value.split("\t");
  const space = head.indexOf(" ");
  if (space < 0) return undefined;
  const mode = head.slice(0, space);
  return [
    // The type of a file is no attribute that changes: with it, the content differs.
    { name: "mode", value: mode.slice(-4) },
    { name: "content", value: mode.slice(0, -4) + head.slice(space) },
    ...attributes.map((attribute) => {
      const at = attribute.indexOf(" ");
      return { name: attribute.slice(0, at), value: attribute.slice(at + 1) };
    }),
  ];
}

function inputReason(changes: readonly KeyChange[], current: MissSubject): CacheReason | undefined {
  const inputs = inputsOf(changes, current);
  const input = inputs.find(({ rebuilt }) => rebuilt !== undefined) ?? inputs[0];
  if (input === undefined) return undefined;
  const because = input.vertex;
  if (!input.isSource) return { kind: "input", text: `after ${input.name}`, because };
  if (input.rebuilt?.kind === "base") return { ...input.rebuilt, because };
  if (input.moved !== undefined && input.moved.length > 0) return { ...movedReason(input.moved), because };
  return { kind: "base", text: `another base: ${input.name}`, because };
}

function inputsOf(changes: readonly KeyChange[], current: MissSubject): readonly MissInput[] {
  return changes.flatMap(({ name }) => {
    const number = INPUT.exec(name)?.[1];
    const input = number === undefined ? undefined : current.inputs[Number(number)];
    return input === undefined ? [] : [input];
  });
}

function typeOf({ before, after }: KeyChange): "changed" | "added" | "removed" {
  if (before === undefined) return "added";
  return after === undefined ? "removed" : "changed";
}

/** `changed: a, b; added: c and 4 more`: of so few names each under its own word. */
function list(changes: readonly KeyChange[]): string {
  const groups = Map.groupBy(changes, typeOf);
  const sorted = (["changed", "added", "removed"] as const).flatMap((type) => groups.get(type) ?? []);
  const shown = Map.groupBy(sorted.slice(0, MAX_NAMES), typeOf);
  const texts = [...shown].map(([type, some]) => `${type}: ${some.map(({ name }) => name).join(", ")}`);
  const rest = sorted.length - MAX_NAMES;
  return `${texts.join("; ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
