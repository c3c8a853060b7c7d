import { bounds } from "../bounds.ts";

/** Reads up to `length` bytes at an offset of a file; fewer at its end. */
export type ReadAt = (offset: number, length: number) => Buffer;

export interface ElfSection {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

export interface ElfSegment {
  /** Address that its first byte has in memory. */
  readonly address: number;
  readonly offset: number;
  /** Of what is in the file. */
  readonly size: number;
  readonly isWritable: boolean;
}

/** What a program says of its parts. Those that it lies about are read as far as the file goes. */
export interface Elf {
  readonly is64: boolean;
  readonly isLittleEndian: boolean;
  readonly sections: readonly ElfSection[];
  /** Loaded ones only. */
  readonly segments: readonly ElfSegment[];
}

const PT_LOAD = 1;
const PF_W = 2;
const SHT_NOBITS = 8;
const MAX_NAMES_BYTES = 1024 * 1024;

/** Numbers of an ELF file, in its byte order and width. */
class Fields {
  readonly #bytes: Buffer;
  readonly #little: boolean;

  constructor(bytes: Buffer, little: boolean) {
    this.#bytes = bytes;
    this.#little = little;
  }

  get length(): number {
    return this.#bytes.length;
  }

  u16(at: number): number {
    return this.#little ? this.#bytes.readUInt16LE(at) : this.#bytes.readUInt16BE(at);
  }

  u32(at: number): number {
    return this.#little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }

  /** Of 32 or 64 bits; more than 2^53 loses its last digits, and is then outside of any file. */
  word(at: number, is64: boolean): number {
    if (!is64) return this.u32(at);
    return Number(this.#little ? this.#bytes.readBigUInt64LE(at) : this.#bytes.readBigUInt64BE(at));
  }
}

export function isElf(start: Buffer): boolean {
  return start.length >= 52 && start.readUInt32BE(0) === 0x7f454c46;
}

/** The tables of an ELF file; undefined for another file, or one whose tables are not in it. */
export function readElf(readAt: ReadAt): Elf | undefined {
  const start = readAt(0, 64);
  if (!isElf(start)) return undefined;
  const is64 = start[4] === 2;
  const isLittleEndian = start[5] === 1;
  if (is64 && start.length < 64) return undefined;
  const header = new Fields(start, isLittleEndian);
  const table = (offsetAt: readonly [number, number], sizesAt: readonly [number, number]) => {
    const offset = header.word(is64 ? offsetAt[1] : offsetAt[0], is64);
    const sizes = is64 ? sizesAt[1] : sizesAt[0];
    const [bytes, count] = [header.u16(sizes), header.u16(sizes + 2)];
    const length = Math.min(count, bounds.elfParts) * bytes;
    return { entryBytes: bytes, fields: new Fields(readAt(offset, length), isLittleEndian) };
  };
  const sections = table([32, 40], [46, 58]);
  const segments = table([28, 32], [42, 54]);
  return {
    is64,
    isLittleEndian,
    sections: sectionsOf(sections, { is64, namesIndex: header.u16(is64 ? 62 : 50), readAt }),
    segments: segmentsOf(segments, is64),
  };
}

interface Table {
  readonly entryBytes: number;
  readonly fields: Fields;
}

/** Offsets of the whole entries of a table; none when entries are too short to be ones. */
function entries({ entryBytes, fields }: Table, least: number): number[] {
  if (entryBytes < least) return [];
  return Array.from({ length: Math.floor(fields.length / entryBytes) }, (_, index) => index * entryBytes);
}

function sectionsOf(
  table: Table,
  {
    is64,
    namesIndex,
    readAt,
  }: { readonly is64: boolean; readonly namesIndex: number; readonly readAt: ReadAt },
): ElfSection[] {
  const { fields } = table;
  const rows = entries(table, is64 ? 64 : 40).map((at) => ({
    name: fields.u32(at),
    hasBytes: fields.u32(at + 4) !== SHT_NOBITS,
    offset: fields.word(at + (is64 ? 24 : 16), is64),
    size: fields.word(at + (is64 ? 32 : 20), is64),
  }));
  const names = rows[namesIndex];
  if (names === undefined) return [];
  const text = readAt(names.offset, Math.min(names.size, MAX_NAMES_BYTES));
  return rows
    .filter(({ hasBytes }) => hasBytes)
    .map(({ name, offset, size }) => ({ name: nameAt(text, name), offset, size }));
}

/** Names of sections are short; a longer one is none that is looked for. */
function nameAt(names: Buffer, at: number): string {
  const slice = names.subarray(at, at + 64);
  const end = slice.indexOf(0);
  return slice.toString("latin1", 0, end < 0 ? slice.length : end);
}

function segmentsOf(table: Table, is64: boolean): ElfSegment[] {
  const { fields } = table;
  return entries(table, is64 ? 56 : 32)
    .filter((at) => fields.u32(at) === PT_LOAD)
    .map((at) => ({
      isWritable: (fields.u32(at + (is64 ? 4 : 24)) & PF_W) !== 0,
      offset: fields.word(at + (is64 ? 8 : 4), is64),
      address: fields.word(at + (is64 ? 16 : 8), is64),
      size: fields.word(at + (is64 ? 32 : 16), is64),
    }));
}
