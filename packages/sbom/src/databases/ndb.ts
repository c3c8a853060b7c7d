/**
 * rpm's own database format, which SUSE uses (rpm's lib/backend/ndb/rpmpkg.c): pages of slots at the front, each naming a blob by
 * blocks of 16 bytes. Little-endian.
 */
const MAGIC = "RpmP";
const SLOT = "Slot";
const BLOB = "BlbS";
const PAGE_BYTES = 4096;
const SLOT_BYTES = 16;
const BLOCK_BYTES = 16;

export function isNdb(bytes: Buffer): boolean {
  return bytes.length >= PAGE_BYTES && bytes.toString("latin1", 0, 4) === MAGIC;
}

/** The rpm headers in it. Throws RangeError for a slot that points outside or to something else. */
export function* ndbHeaders(bytes: Buffer): Generator<Buffer> {
  const end = bytes.readUInt32LE(12) * PAGE_BYTES;
  // The first two slots are the database's own header.
  for (let at = 2 * SLOT_BYTES; at < end; at += SLOT_BYTES) {
    if (at + SLOT_BYTES > bytes.length) throw new RangeError("its list of packages is cut off");
    if (bytes.toString("latin1", at, at + 4) !== SLOT)
      throw new RangeError("its list of packages is damaged");
    const [index, block] = [bytes.readUInt32LE(at + 4), bytes.readUInt32LE(at + 8)];
    if (index !== 0 && block !== 0) yield blobAt(bytes, block * BLOCK_BYTES);
  }
}

function blobAt(bytes: Buffer, at: number): Buffer {
  const start = at + BLOCK_BYTES;
  if (start > bytes.length || bytes.toString("latin1", at, at + 4) !== BLOB) {
    throw new RangeError("a package is not where its list says");
  }
  const end = start + bytes.readUInt32LE(at + 12);
  if (end > bytes.length) throw new RangeError("a package is cut off");
  return bytes.subarray(start, end);
}
