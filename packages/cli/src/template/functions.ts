import { TsbuildError } from "@tsbuild/base";
import { fieldOf, isTrue, itemsOf, shown } from "./values.ts";

interface TemplateFunction {
  /** Fewest and most arguments. */
  readonly takes: readonly [number, number];
  readonly call: (args: readonly unknown[]) => unknown;
}

const MANY = Number.POSITIVE_INFINITY;

function text(call: (value: string) => string): TemplateFunction {
  return { takes: [1, 1], call: ([value]) => call(shown(value)) };
}

function compare(holds: (order: number) => boolean): TemplateFunction {
  return { takes: [2, 2], call: ([a, b]) => holds(orderOf(a, b)) };
}

function orderOf(a: unknown, b: unknown): number {
  const [x, y] = typeof a === "number" && typeof b === "number" ? [a, b] : [shown(a), shown(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

function indexOf([of, ...keys]: readonly unknown[]): unknown {
  return keys.reduce((value, key) => {
    // Of a map of texts, such as labels, what is not in it is empty; as a field it would be <no value>.
    if (!Array.isArray(value)) return fieldOf({ value }, ["value", String(key)]) ?? "";
    const at = Number(key);
    if (at in value) return value[at];
    throw new TsbuildError("TSB_USAGE", `--format: index ${at} of a list of ${value.length}`);
  }, of);
}

/** `%s`, `%v`, `%d`, `%q` and `%%`, with widths. */
function printf([format, ...args]: readonly unknown[]): string {
  let next = 0;
  return shown(format).replace(/%(-?)(\d*)([svdqx%])/g, (_, left: string, width: string, verb: string) => {
    if (verb === "%") return "%";
    const value = args[next++];
    const written = verb === "q" ? JSON.stringify(shown(value)) : shown(value);
    return left === "" ? written.padStart(Number(width)) : written.padEnd(Number(width));
  });
}

function slice([of, from, to]: readonly unknown[]): unknown {
  const value = Array.isArray(of) ? of : shown(of);
  return value.slice(Number(from ?? 0), to === undefined ? undefined : Number(to));
}

function pad([value, left, right]: readonly unknown[]): string {
  const written = shown(value);
  return written === "" ? "" : " ".repeat(Number(left)) + written + " ".repeat(Number(right));
}

/** Docker's functions and the built-in ones of Go's text/template. */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map<string, TemplateFunction>([
  ["json", { takes: [1, 1], call: ([value]) => JSON.stringify(value ?? null) }],
  ["upper", text((value) => value.toUpperCase())],
  ["lower", text((value) => value.toLowerCase())],
  ["title", text((value) => value.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()))],
  [
    "len",
    { takes: [1, 1], call: ([value]) => (typeof value === "string" ? value.length : itemsOf(value).length) },
  ],
  ["join", { takes: [2, 2], call: ([list, between]) => itemsOf(list).map(shown).join(shown(between)) }],
  ["split", { takes: [2, 2], call: ([value, at]) => shown(value).split(shown(at)) }],
  ["index", { takes: [2, MANY], call: indexOf }],
  ["slice", { takes: [1, 3], call: slice }],
  ["truncate", { takes: [2, 2], call: ([value, length]) => shown(value).slice(0, Number(length)) }],
  ["pad", { takes: [3, 3], call: pad }],
  ["print", { takes: [0, MANY], call: (args) => args.map(shown).join("") }],
  ["println", { takes: [0, MANY], call: (args) => `${args.map(shown).join(" ")}\n` }],
  ["printf", { takes: [1, MANY], call: printf }],
  [
    "eq",
    { takes: [2, MANY], call: ([value, ...others]) => others.some((other) => orderOf(value, other) === 0) },
  ],
  ["ne", compare((order) => order !== 0)],
  ["lt", compare((order) => order < 0)],
  ["le", compare((order) => order <= 0)],
  ["gt", compare((order) => order > 0)],
  ["ge", compare((order) => order >= 0)],
  ["and", { takes: [1, MANY], call: (args) => args.find((value) => !isTrue(value)) ?? args.at(-1) }],
  ["or", { takes: [1, MANY], call: (args) => args.find(isTrue) ?? args.at(-1) }],
  ["not", { takes: [1, 1], call: ([value]) => !isTrue(value) }],
]);
