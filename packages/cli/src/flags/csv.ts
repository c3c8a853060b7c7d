import { TsbuildError } from "@tsbuild/base";

/**
 * Fields of one line of comma separated values, quoted as RFC 4180 has it (`a,"b,c"`, `""` inside quotes): the
 * form of `--output` (C007). Throws TSB_USAGE on a quote that does not close.
 */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  let at = 0;
  while (at <= text.length) {
    const [field, next] = text[at] === '"' ? quotedField(text, at) : plainField(text, at);
    fields.push(field);
    at = next + 1;
  }
  return fields;
}

/** A field's text, and the index of the comma (or the end) after it. */
function plainField(text: string, start: number): [string, number] {
  const comma = text.indexOf(",", start);
  const end = comma < 0 ? text.length : comma;
  return [text.slice(start, end), end];
}

function quotedField(text: string, start: number): [string, number] {
  let field = "";
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] !== '"') {
      field += text[at];
    } else if (text[at + 1] === '"') {
      field += '"';
      at++;
    } else {
      if (at + 1 < text.length && text[at + 1] !== ",") break;
      return [field, at + 1];
    }
  }
  throw new TsbuildError("TSB_USAGE", `quotes do not match in ${JSON.stringify(text)}`);
}
