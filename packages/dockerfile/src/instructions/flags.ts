import { suggestion } from "@tsbuild/base";
import type { Word } from "../ast.ts";
import { fail, keywordOf, type Reading } from "./reading.ts";

/** What a flag takes: true or false, one text, or any number of texts. */
export type FlagType = "boolean" | "text" | "list";

type FlagValue<T extends FlagType> = T extends "boolean"
  ? boolean
  : T extends "text"
    ? string
    : readonly Word[];

/** Values of the flags that were given. */
export type FlagValues<S extends Readonly<Record<string, FlagType>>> = {
  readonly [K in keyof S]?: FlagValue<S[K]>;
};

/** Reads the flags of an instruction (FEATURES D018): unknown, repeated and ill-typed ones are errors. */
export function readFlags<const S extends Readonly<Record<string, FlagType>>>(
  reading: Reading,
  spec: S,
): FlagValues<S> {
  const values = new Map<string, boolean | string | Word[]>();
  for (const flag of reading.node.flags) readFlag(reading, spec, flag, values);
  return Object.fromEntries(values) as FlagValues<S>;
}

function readFlag(
  reading: Reading,
  spec: Readonly<Record<string, FlagType>>,
  flag: Word,
  values: Map<string, boolean | string | Word[]>,
): void {
  const equals = flag.text.indexOf("=");
  const name = flag.text.slice(2, equals === -1 ? undefined : equals);
  const value = equals === -1 ? undefined : flag.text.slice(equals + 1);
  const type = Object.hasOwn(spec, name) ? spec[name] : undefined;
  if (type === undefined) throw unknownFlag(reading, spec, flag, name);
  if (type === "list") {
    const item = { ...flag, text: requireValue(reading, flag, name, value) };
    const list = values.get(name);
    if (Array.isArray(list)) list.push(item);
    else values.set(name, [item]);
    return;
  }
  if (values.has(name))
    throw fail(reading, `--${name} is given twice`, "it takes one value: remove one", flag);
  values.set(
    name,
    type === "boolean" ? booleanValue(reading, flag, name, value) : requireValue(reading, flag, name, value),
  );
}

function unknownFlag(reading: Reading, spec: object, flag: Word, name: string) {
  const known = Object.keys(spec).map((key) => `--${key}`);
  const hint = known.length === 0 ? `${keywordOf(reading)} has no flags` : suggestion(`--${name}`, known);
  return fail(reading, `${keywordOf(reading)} has no flag --${name}`, hint, flag);
}

function requireValue(reading: Reading, flag: Word, name: string, value: string | undefined): string {
  if (value !== undefined) return value;
  throw fail(reading, `--${name} has no value`, `write --${name}=VALUE, without a blank`, flag);
}

function booleanValue(reading: Reading, flag: Word, name: string, value: string | undefined): boolean {
  const lower = value?.toLowerCase();
  if (lower === undefined || lower === "true") return true;
  if (lower === "false") return false;
  const message =
    value === "" ? `--${name}= has no value` : `--${name} is true or false, not ${JSON.stringify(value)}`;
  throw fail(reading, message, `write --${name}, --${name}=true or --${name}=false`, flag);
}
