/** Fields of one stanza by name, values in the order they are in. */
export type Stanza = ReadonlyMap<string, readonly string[]>;

export interface StanzaOptions {
  /** Fields that are kept, as the tools write them; databases hold megabytes of others. */
  readonly wanted: ReadonlySet<string>;
  /** True: only the first stanza is read. */
  readonly first?: boolean | undefined;
}

/**
 * Blocks of `Field: value` lines that are parted by empty lines (deb822, apk's database, core metadata of Python). Only the first
 * line of a value is kept. Linear in the length of the text, whatever is in it.
 */
export function* stanzas(text: string, { wanted, first }: StanzaOptions): Generator<Stanza> {
  let fields = new Map<string, string[]>();
  for (const line of lines(text)) {
    if (line === "" || line === "\r") {
      if (fields.size > 0) yield fields;
      if (first) return;
      fields = new Map();
      continue;
    }
    keep(fields, line, wanted);
  }
  if (fields.size > 0) yield fields;
}

function keep(fields: Map<string, string[]>, line: string, wanted: ReadonlySet<string>): void {
  if (line.startsWith(" ") || line.startsWith("\t")) return;
  const colon = line.indexOf(":");
  if (colon <= 0) return;
  const name = line.slice(0, colon);
  if (!wanted.has(name)) return;
  const values = fields.get(name) ?? [];
  values.push(line.slice(colon + 1).trim());
  fields.set(name, values);
}

/** Without making an array of all lines. */
function* lines(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    yield text.slice(start, end);
    start = end + 1;
  }
}
