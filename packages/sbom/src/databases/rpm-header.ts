import { exactText, plainText } from "../text.ts";
import type { FoundPackage } from "../types.ts";

/** Numbers of tags (rpm's lib/rpmtag.h). */
const TAG = { name: 1000, version: 1001, release: 1002, epoch: 1003, vendor: 1011, license: 1014 } as const;
const MORE_TAGS = { url: 1020, architecture: 1022, sourceRpm: 1044 } as const;
const INT32 = 4;
const STRING_TYPES = new Set([6, 8, 9]);
const ENTRY_BYTES = 16;

/** A header as databases hold it: numbers of entries and data bytes, the entries, the data; big-endian. */
class RpmHeader {
  readonly #bytes: Buffer;
  /** By tag: type and where its data is. */
  readonly #entries = new Map<number, { readonly type: number; readonly at: number }>();

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const count = bytes.readUInt32BE(0);
    const data = 8 + count * ENTRY_BYTES;
    if (data > bytes.length) throw new RangeError("an rpm header is cut off");
    for (let at = 8; at < data; at += ENTRY_BYTES) {
      const [tag, type, offset] = [
        bytes.readInt32BE(at),
        bytes.readUInt32BE(at + 4),
        bytes.readUInt32BE(at + 8),
      ];
      this.#entries.set(tag, { type, at: data + offset });
    }
  }

  /** The first string of a tag. */
  text(tag: number): string | undefined {
    const entry = this.#entries.get(tag);
    if (entry === undefined || !STRING_TYPES.has(entry.type)) return undefined;
    const end = this.#bytes.indexOf(0, entry.at);
    return end < 0 ? undefined : this.#bytes.toString("utf8", entry.at, end);
  }

  integer(tag: number): number | undefined {
    const entry = this.#entries.get(tag);
    if (entry?.type !== INT32 || entry.at + 4 > this.#bytes.length) return undefined;
    return this.#bytes.readUInt32BE(entry.at);
  }
}

/** The package of one header; undefined for what is none, such as a key. Throws RangeError for a header that is cut off. */
export function rpmPackage(bytes: Buffer, foundIn: string): FoundPackage | undefined {
  const header = new RpmHeader(bytes);
  const [name, version, release] = [TAG.name, TAG.version, TAG.release].map((tag) =>
    exactText(header.text(tag)),
  );
  if (name === undefined || version === undefined || name === "gpg-pubkey") return undefined;
  const license = plainText(header.text(TAG.license));
  return {
    type: "rpm",
    name,
    version: release === undefined ? version : `${version}-${release}`,
    epoch: header.integer(TAG.epoch),
    architecture: exactText(header.text(MORE_TAGS.architecture)),
    upstream: exactText(header.text(MORE_TAGS.sourceRpm)),
    licenses: license === undefined ? [] : [license],
    supplier: plainText(header.text(TAG.vendor)),
    homepage: exactText(header.text(MORE_TAGS.url)),
    foundIn,
  };
}
