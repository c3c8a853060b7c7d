/** Fields of a ustar header (POSIX.1-1988), as far as layers use them. Names are ASCII and fit. */
export interface HeaderFields {
  readonly name: string;
  readonly linkname: string;
  readonly typeflag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly devmajor: number;
  readonly devminor: number;
}

export const BLOCK = 512;
const MAX_OCTAL_SIZE = 0o77777777777;
const CHECKSUM_AT = 148;

/** `digits` octal digits and a space: what the tars of docker and containerd have, and what golden digests are made of. */
function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, "0")} `;
}

/** Sizes of 8 GiB and more are binary, big endian, marked by the first bit (GNU, and every reader since). */
function writeSize(header: Buffer, size: number): void {
  if (size <= MAX_OCTAL_SIZE) {
    header.write(octal(size, 11), 124, "latin1");
    return;
  }
  header[124] = 0x80;
  header.writeUInt32BE(Math.floor(size / 2 ** 32), 128);
  header.writeUInt32BE(size % 2 ** 32, 132);
}

function checksum(header: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < CHECKSUM_AT; at++) sum += header[at] ?? 0;
  for (let at = CHECKSUM_AT + 8; at < BLOCK; at++) sum += header[at] ?? 0;
  return sum;
}

/** Writes one header block into `header`, which has 512 bytes. */
export function encodeHeader(header: Buffer, fields: HeaderFields): void {
  header.fill(0);
  header.write(fields.name, 0, "latin1");
  header.write(octal(fields.mode, 6), 100, "latin1");
  header.write(octal(fields.uid, 6), 108, "latin1");
  header.write(octal(fields.gid, 6), 116, "latin1");
  writeSize(header, fields.size);
  header.write(octal(fields.mtimeSeconds, 11), 136, "latin1");
  header.write(fields.typeflag, 156, "latin1");
  header.write(fields.linkname, 157, "latin1");
  header.write("ustar\u000000", 257, "latin1");
  header.write(octal(fields.devmajor, 6), 329, "latin1");
  header.write(octal(fields.devminor, 6), 337, "latin1");
  header.write(octal(checksum(header), 6), CHECKSUM_AT, "latin1");
}
