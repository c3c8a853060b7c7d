import { suggestion, TsbuildError } from "@tsbuild/base";
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
    return (record) => test(record, value) !== (operator === "!=");
  });
  return (record) => tests.every((test) => test(record));
}

function unknownKey(key: string, text: string): TsbuildError {
  const keys = [...Object.keys(TESTS), "until"];
  return new TsbuildError(
    "TSB_USAGE",
    `--filter ${JSON.stringify(text)}: unknown key${suggestion(key, keys)}`,
    {
      hint: `one of ${keys.join(", ")}`,
    },
  );
}
