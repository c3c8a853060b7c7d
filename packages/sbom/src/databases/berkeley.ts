import { bounds } from "../bounds.ts";

/**
 * Berkeley DB's hash format, in which rpm before 4.16 keeps headers (Red Hat 8 and older): pages of items, in which keys and values
 * take turns. A value that does not fit is a chain of pages of its own (db's src/dbinc/db_page.h). Little-endian.
 */
const HASH_MAGIC = 0x00061561;
const HEADER_BYTES = 26;
const PAGE = { next: 16, entries: 20, dataOffset: 22, type: 25 } as const;
/** Types of pages with items: before 4.6 and since. */
const HASH_PAGES = new Set([2, 13]);
const OVERFLOW_PAGE = 7;
/** Types of items. */
const INLINE = 1;
const OFF_PAGE = 3;
/** Under key 0 is the last number that a package got: no header. */
const NUMBER_ITEM_BYTES = 1 + 4;

export function isBerkeleyHash(bytes: Buffer): boolean {
  return bytes.length >= 512 && bytes.readUInt32LE(12) === HASH_MAGIC;
}

/** The rpm headers in it. Throws RangeError for pages that point outside or in a circle. */
export function* berkeleyHeaders(bytes: Buffer): Generator<Buffer> {
  const pageBytes = bytes.readUInt32LE(20);
  if (pageBytes < 512 || pageBytes > 65_536) throw new RangeError("its pages have no size");
  const pages = new Pages(bytes, pageBytes);
  for (let number = 0; number < pages.count; number++) {
    const page = pages.at(number);
    if (HASH_PAGES.has(page[PAGE.type] ?? 0)) yield* valuesOn(page, pages);
  }
}

class Pages {
  readonly count: number;
  readonly #bytes: Buffer;
  readonly #pageBytes: number;

  constructor(bytes: Buffer, pageBytes: number) {
    this.#bytes = bytes;
    this.#pageBytes = pageBytes;
    this.count = Math.floor(bytes.length / pageBytes);
  }

  at(number: number): Buffer {
    if (number >= this.count) throw new RangeError("a page is not there");
    return this.#bytes.subarray(number * this.#pageBytes, (number + 1) * this.#pageBytes);
  }

  /** The text of a chain of pages. */
  chain(first: number, length: number): Buffer {
    if (length > bounds.rpmHeaderBytes) throw new RangeError("a package is longer than it may be");
    const parts: Buffer[] = [];
    let left = length;
    // Every page has something of it: a circle ends with the length.
    for (let number = first; left > 0; ) {
      const page = this.at(number);
      const size = Math.min(page.readUInt16LE(PAGE.dataOffset), page.length - HEADER_BYTES, left);
      if (page[PAGE.type] !== OVERFLOW_PAGE || size === 0) throw new RangeError("a package is cut off");
      parts.push(page.subarray(HEADER_BYTES, HEADER_BYTES + size));
      left -= size;
      number = page.readUInt32LE(PAGE.next);
    }
    return Buffer.concat(parts);
  }
}

/** Items are laid out from the end of the page, the first one last; each ends where the one before it begins. */
function* valuesOn(page: Buffer, pages: Pages): Generator<Buffer> {
  const entries = page.readUInt16LE(PAGE.entries);
  const offsetOf = (entry: number) => page.readUInt16LE(HEADER_BYTES + 2 * entry);
  for (let entry = 1; entry < entries; entry += 2) {
    const [start, end] = [offsetOf(entry), offsetOf(entry - 1)];
    const item = page.subarray(start, end);
    if (item[0] === OFF_PAGE && item.length >= 12)
      yield pages.chain(item.readUInt32LE(4), item.readUInt32LE(8));
    else if (item[0] === INLINE && item.length > NUMBER_ITEM_BYTES) yield item.subarray(1);
  }
}
