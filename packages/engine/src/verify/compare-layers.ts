import { type ReadMember, readTar, type TarEntry } from "@tsbuild/oci";

/** What is different: an attribute with its value on each side. */
export interface EntryDifference {
  /** Absolute path in the image. */
  readonly path: string;
  readonly attribute: string;
  readonly first: string;
  readonly second: string;
}

const NOTHING = "not there";

/** In which order a walk meets two paths: names compare by their bytes, element by element. */
function walkOrder(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll("/", "\0")), Buffer.from(b.replaceAll("/", "\0")));
}

function timeText(mtimeNs: bigint): string {
  const nanoseconds = ((mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = Number((mtimeNs - nanoseconds) / 1_000_000_000n);
  const date = new Date(seconds * 1000);
  const whole = Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().slice(0, 19);
  return nanoseconds === 0n ? `${whole}Z` : `${whole}.${String(nanoseconds).padStart(9, "0")}Z`;
}

function xattrsText({ xattrs = [] }: TarEntry): string {
  const lines = xattrs.map(({ name, value }) => `${name}=0x${value.toString("hex")}`).sort();
  return lines.length === 0 ? "none" : lines.join(" ");
}

/** Attributes in the order in which they tell the most. */
function attributes(entry: TarEntry): readonly (readonly [string, string])[] {
  return [
    ["type", entry.type],
    ["target", entry.target ?? "none"],
    ["size", String(entry.size)],
    ["mode", `0${entry.mode.toString(8)}`],
    ["owner", `${entry.uid}:${entry.gid}`],
    ["device", `${entry.major ?? 0}:${entry.minor ?? 0}`],
    ["attributes", xattrsText(entry)],
    ["time", timeText(entry.mtimeNs)],
  ];
}

/** Bytes of two streams, as many of both at a time. */
class Chunks {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }

  /** What is at hand; empty at the end. */
  async peek(): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const next = await this.#iterator.next();
      if (next.done) break;
      this.#rest = next.value;
    }
    return this.#rest;
  }

  skip(count: number): void {
    this.#rest = this.#rest.subarray(count);
  }
}

/** Offset of the first byte that is not the same, with some of what follows it on each side. */
async function contentDifference(a: ReadMember, b: ReadMember) {
  const [left, right] = [new Chunks(a.body), new Chunks(b.body)];
  for (let offset = 0; ; ) {
    const [one, other] = [await left.peek(), await right.peek()];
    const count = Math.min(one.length, other.length);
    if (count === 0) return undefined;
    if (Buffer.compare(one.subarray(0, count), other.subarray(0, count)) === 0) {
      offset += count;
      left.skip(count);
      right.skip(count);
      continue;
    }
    const at = one.findIndex((byte, index) => byte !== other[index]);
    return { offset: offset + at, first: excerpt(one, at), second: excerpt(other, at) };
  }
}

const EXCERPT_BYTES = 24;

function excerpt(bytes: Uint8Array, at: number): string {
  const part = Buffer.from(bytes.subarray(at, at + EXCERPT_BYTES));
  const text = part.toString("latin1");
  return /^[\x20-\x7e\t\n\r]*$/.test(text) ? JSON.stringify(text) : `0x${part.toString("hex")}`;
}

async function memberDifference(a: ReadMember, b: ReadMember): Promise<EntryDifference | undefined> {
  const path = `/${a.entry.path}`;
  const [first, second] = [attributes(a.entry), attributes(b.entry)];
  // That of a size says less than where the content parts.
  const plain = first.findIndex(([name, value], at) => name !== "size" && value !== second[at]?.[1]);
  const content =
    a.entry.type === "file" && b.entry.type === "file" ? await contentDifference(a, b) : undefined;
  if (content !== undefined) {
    const attribute = `content from byte ${content.offset} on`;
    return { path, attribute, first: content.first, second: content.second };
  }
  const at = plain >= 0 ? plain : first.findIndex(([, value], index) => value !== second[index]?.[1]);
  const [attribute, value] = first[at] ?? [];
  if (attribute === undefined || value === undefined) return undefined;
  return { path, attribute, first: value, second: second[at]?.[1] ?? NOTHING };
}

/** The first entry that two tars of a layer have differently, in their order; undefined: only their form differs. */
export async function layerDifference(
  a: AsyncIterable<Uint8Array>,
  b: AsyncIterable<Uint8Array>,
): Promise<EntryDifference | undefined> {
  const [left, right] = [readTar(a), readTar(b)];
  try {
    for (;;) {
      const [one, other] = [await left.next(), await right.next()];
      if (one.done && other.done) return undefined;
      const only = onlyOne(one.done ? undefined : one.value, other.done ? undefined : other.value);
      if (only !== undefined) return only;
      if (one.done || other.done) continue;
      const found = await memberDifference(one.value, other.value);
      if (found !== undefined) return found;
    }
  } finally {
    await Promise.all([left.return(undefined), right.return(undefined)]);
  }
}

/** An entry that one side lacks, when that is what comes next. */
function onlyOne(a: ReadMember | undefined, b: ReadMember | undefined): EntryDifference | undefined {
  const order = a === undefined ? 1 : b === undefined ? -1 : walkOrder(a.entry.path, b.entry.path);
  if (order === 0) return undefined;
  const entry = (order < 0 ? a : b)?.entry;
  if (entry === undefined) return undefined;
  const there = `a ${entry.type}, ${entry.size} bytes`;
  const [first, second] = order < 0 ? [there, NOTHING] : [NOTHING, there];
  return { path: `/${entry.path}`, attribute: "presence", first, second };
}
