// Histories of images are compared by people and tools with what Docker writes, and Docker writes them with Go's
// fmt verbs: these are the verbs' results for the values that occur.

const NAMED: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  '"': '\\"',
  "\\": "\\\\",
};

const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

function quoteCharacter(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  if (PRINTABLE.test(character)) return character;
  const code = character.codePointAt(0) as number;
  if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code <= 0xffff) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}

/** `%q` of a string. */
export function quoted(text: string): string {
  return `"${Array.from(text, quoteCharacter).join("")}"`;
}

/** `%q` of a slice of strings. */
export function quotedList(values: readonly string[]): string {
  return `[${values.map(quoted).join(" ")}]`;
}

/** `%v` of a slice of strings. */
export function plainList(values: readonly string[]): string {
  return `[${values.join(" ")}]`;
}

/** A decimal fraction without trailing zeros. */
function fraction(value: bigint, unit: bigint): string {
  const digits = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, "0")
    .replace(/0+$/, "");
  return digits === "" ? `${value / unit}` : `${value / unit}.${digits}`;
}

/** `%v` of a duration in nanoseconds: `1h30m0s`, `1.5s`, `300ms`. */
export function duration(nanoseconds: number): string {
  const total = BigInt(nanoseconds);
  if (total === 0n) return "0s";
  if (total < 0n) return `-${duration(-nanoseconds)}`;
  if (total < 1_000n) return `${total}ns`;
  if (total < 1_000_000n) return `${fraction(total, 1_000n)}µs`;
  if (total < 1_000_000_000n) return `${fraction(total, 1_000_000n)}ms`;
  const minutes = total / 60_000_000_000n;
  const seconds = `${fraction(total % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}
