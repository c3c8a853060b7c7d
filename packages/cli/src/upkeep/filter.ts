import { nearest, TsbuildError } from "@tsbuild/base";
import type { UsageRecord } from "@tsbuild/engine";

type Test = (record: UsageRecord, value: string) => boolean;

/** `shared` alone is `shared=true`. */
function flag(read: (record: UsageRecord) => boolean): Test {
  return (record, value) => read(record) === (value === "" || value === "true" || value === "1");
}

const TESTS: Readonly<Record<string, Test>> = {
  id: ({ id }, value) => id === value || id.endsWith(`:${value}`),
  parent: ({ parents }, value) => parents.some((id) => id === value || id.endsWith(`:${value}`)),
  type: ({ type }, value) => type === value,
  description: ({ description }, value) => description.includes(value),
  inuse: flag(({ inUse }) => inUse),
  shared: flag(({ shared }) => shared),
  private: flag(({ shared }) => !shared),
  mutable: flag(({ mutable }) => mutable),
  immutable: flag(({ mutable }) => !mutable),
};

/** BuildKit's record types (V041), of which tsbuild has no `frontend`, and what only tsbuild has. */
const TYPES: ReadonlySet<string> = new Set([
  ...["regular", "internal", "frontend", "source.local", "source.git.checkout", "exec.cachemount"],
  ...["blob", "history"],
]);

/** V046. `until` is apart: it is an age. Throws TSB_USAGE. */
export function parseFilters(
  filters: readonly string[],
  parseAge: (what: string, text: string) => number,
): (record: UsageRecord) => boolean {
  const now = Date.now();
  const tests = filters.map((text): ((record: UsageRecord) => boolean) => {
    const [, key = "", operator = "", value = ""] = /^([^=!]+?)(!?=|$)(.*)$/s.exec(text) ?? [];
    if (key === "until" || key === "unused-for") {
      const ageMs = parseAge("--filter until", value);
      return ({ lastUsedAt }) => now - lastUsedAt > ageMs;
    }
    const test = Object.hasOwn(TESTS, key) ? TESTS[key] : undefined;
    if (test === undefined) throw unknownKey(key, text);
    if (key === "type") checkType(text, value);
    return (record) => test(record, value) !== (operator === "!=");
  });
  return (record) => tests.every((test) => test(record));
}

function unknownKey(key: string, text: string): TsbuildError {
  return unknown(`--filter ${JSON.stringify(text)}: unknown key`, key, [...Object.keys(TESTS), "until"]);
}

function unknown(message: string, word: string, known: readonly string[]): TsbuildError {
  const meant = nearest(word, known);
  const hint = meant === undefined ? `one of ${known.join(", ")}` : `did you mean ${meant}?`;
  return new TsbuildError("TSB_USAGE", message, { hint });
}

/** A type that nothing can have would quietly select nothing. */
function checkType(text: string, value: string): void {
  if (TYPES.has(value)) return;
  throw unknown(`--filter ${JSON.stringify(text)}: unknown type`, value, [...TYPES]);
}
