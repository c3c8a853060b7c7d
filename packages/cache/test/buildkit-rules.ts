/**
 * What BuildKit's reader demands of a document (cache/remotecache/v1/parse.go): one record that breaks a rule makes it refuse all
 * of them. Returns what is wrong.
 */
export function brokenRules(bytes: Uint8Array): string[] {
  const { layers = [], records = [] } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Written;
  return [
    ...layers.flatMap((_, index) => brokenStack(layers, index)),
    ...records.flatMap((record, index) => brokenRecord(record, index, { layers, records })),
    ...cyclic(records).map((index) => `record ${index} leads back to itself`),
  ];
}

interface Written {
  readonly layers?: readonly { readonly blob?: string; readonly parent?: number }[];
  readonly records?: readonly WrittenRecord[];
}

interface WrittenRecord {
  readonly digest?: string;
  readonly inputs?: readonly (readonly { readonly selector?: string; readonly link?: number }[])[];
  readonly layers?: readonly { readonly layer?: number; readonly createdAt?: string }[];
  readonly chains?: readonly { readonly layers: readonly number[] }[];
}

function isPlace(index: number, list: readonly unknown[]): boolean {
  return Number.isInteger(index) && index >= 0 && index < list.length;
}

function brokenStack(layers: NonNullable<Written["layers"]>, start: number): string[] {
  const seen = new Set<number>();
  for (let at = start; at !== -1; at = layers[at]?.parent ?? 0) {
    if (!isPlace(at, layers)) return [`layer ${start}: invalid layer index ${at}`];
    if (seen.has(at)) return [`layer ${start}: looping`];
    seen.add(at);
  }
  return [];
}

function brokenRecord(
  { digest = "", inputs = [], layers = [], chains = [] }: WrittenRecord,
  index: number,
  all: Required<Written>,
): string[] {
  const links = inputs.flat().map(({ link = 0 }) => link);
  const results = [
    ...layers.map(({ layer = 0 }) => layer),
    ...chains.flatMap(({ layers: places }) => places),
  ];
  const times = layers.map(({ createdAt = "" }) => createdAt);
  return [
    ...(/^sha256:[0-9a-f]{64}$/.test(digest) ? [] : [`digest ${digest}`]),
    ...inputs.flatMap((sources, i) => (sources.length === 0 ? [`input ${i} is empty`] : [])),
    ...links.filter((link) => !isPlace(link, all.records)).map((link) => `invalid record ID ${link}`),
    ...results.filter((layer) => !isPlace(layer, all.layers)).map((layer) => `invalid layer index ${layer}`),
    // Go's time.Time takes RFC 3339 only.
    ...times.filter((time) => !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(time)),
  ].map((problem) => `record ${index}: ${problem}`);
}

/** Kahn's algorithm: what is left cannot be put in order. */
function cyclic(records: readonly WrittenRecord[]): number[] {
  const waiting = new Map(
    records.map(({ inputs = [] }, i) => [i, new Set(inputs.flat().map(({ link = 0 }) => link))]),
  );
  for (let done = -1; done !== waiting.size; ) {
    done = waiting.size;
    for (const [index, links] of waiting)
      if ([...links].every((link) => !waiting.has(link))) waiting.delete(index);
  }
  return [...waiting.keys()];
}
