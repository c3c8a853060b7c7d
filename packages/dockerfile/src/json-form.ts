import type { ArgumentWord } from "./grammar/argument.ts";
import { leadingSpace } from "./space.ts";

/**
 * Arguments in JSON form (FEATURES D019): undefined when the text is no JSON array, and then it is meant as shell
 * form; "not-strings" when it is an array that holds anything but strings.
 */
export function parseJsonForm(text: string): readonly ArgumentWord[] | "not-strings" | undefined {
  const start = leadingSpace(text);
  if (text[start] !== "[") return undefined;
  const value = parseArray(text.slice(start));
  if (value === undefined) return undefined;
  if (!value.every((item): item is string => typeof item === "string")) {
    // A number that no float can hold makes the array invalid JSON for everyone else.
    return value.some((item) => item === Infinity || item === -Infinity) ? undefined : "not-strings";
  }
  const offsets = stringOffsets(text, start);
  return value.map((item, index) => ({ text: item.toWellFormed(), offset: offsets[index] ?? start }));
}

function parseArray(text: string): unknown[] | undefined {
  try {
    return JSON.parse(text) as unknown[];
  } catch {
    return undefined; // shell form
  }
}

/** Where the string literals of a valid array of strings start. */
function stringOffsets(text: string, start: number): number[] {
  const offsets: number[] = [];
  for (let open = text.indexOf('"', start); open !== -1; ) {
    offsets.push(open);
    let close = open + 1;
    while (text[close] !== '"') close += text[close] === "\\" ? 2 : 1;
    open = text.indexOf('"', close + 1);
  }
  return offsets;
}
