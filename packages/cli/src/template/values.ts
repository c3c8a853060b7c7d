import { nearest, TsbuildError } from "@tsbuild/base";

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Keys and values of a list or a map; members of a map come in the order of their names, as Go's are printed. */
export function entriesOf(value: unknown): readonly (readonly [unknown, unknown])[] {
  if (Array.isArray(value)) return value.map((item: unknown, at) => [at, item] as const);
  if (isObject(value))
    return Object.keys(value)
      .sort()
      .map((key) => [key, value[key]] as const);
  if (value === undefined || value === null) return [];
  throw new TsbuildError("TSB_USAGE", `--format: range over ${JSON.stringify(value)}, which is no list`);
}

export function itemsOf(value: unknown): readonly unknown[] {
  return entriesOf(value).map(([, item]) => item);
}

export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
}

/** Go's %v: lists in brackets, maps with their keys in order. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(shown).join(" ")}]`;
  if (!isObject(value)) return String(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${key}:${shown(value[key])}`);
  return `map[${members.join(" ")}]`;
}

/** A field that what is printed never has is a mistake; deeper down it may just not be set. */
export function fieldOf(value: unknown, path: readonly string[]): unknown {
  let current = value;
  for (const [depth, name] of path.entries()) {
    if (isObject(current) && Object.hasOwn(current, name)) current = current[name];
    else if (depth === 0 && isObject(current)) throw unknownField(name, Object.keys(current));
    else return undefined;
  }
  return current;
}

function unknownField(name: string, known: readonly string[]): TsbuildError {
  const near = nearest(name, known);
  return new TsbuildError("TSB_USAGE", `--format: there is no field .${name}`, {
    hint:
      near === undefined ? `there are ${known.map((one) => `.${one}`).join(", ")}` : `did you mean .${near}?`,
  });
}
