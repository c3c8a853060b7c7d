import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { TsbuildError } from "@tsbuild/base";

/** How one field is read: its wire type and what becomes of the value. */
export interface FieldReader {
  readonly wire: WireType;
  read(reader: BinaryReader): void;
  /** Set for repeated scalars, which may come packed or one by one. */
  readPacked?(reader: BinaryReader): void;
}

/** Field number → reader, of one message type. */
export type Fields = Readonly<Record<number, FieldReader>>;

/** What to do with a field that the message type does not have. */
export type UnknownFields = "reject" | "skip";

function malformed(what: string, cause?: unknown): TsbuildError {
  return new TsbuildError("TSB_USAGE", `the LLB definition cannot be read: ${what}`, { cause });
}

/**
 * An op with a field from a newer protocol asks for something that would silently not happen: refuse it.
 */
function unknownField(message: string, field: number): TsbuildError {
  return new TsbuildError("TSB_UNSUPPORTED", `field ${field} of ${message} is not known to this version`, {
    hint: "the definition was made by a newer frontend; update tsbuild or build with an older frontend",
  });
}

function readField(reader: BinaryReader, fields: Fields, message: string, unknown: UnknownFields): void {
  const [number, wire] = reader.tag();
  const field = fields[number];
  if (field === undefined) {
    if (unknown === "reject") throw unknownField(message, number);
    reader.skip(wire, number);
  } else if (field.wire === wire) {
    field.read(reader);
  } else if (field.readPacked !== undefined && wire === WireType.LengthDelimited) {
    field.readPacked(reader);
  } else {
    throw malformed(`field ${number} of ${message} has wire type ${wire}`);
  }
}

/** Reads a whole message; the bytes come from outside, so every failure is a TsbuildError. */
export function readMessage(
  bytes: Uint8Array,
  message: string,
  fields: Fields,
  unknown: UnknownFields = "reject",
): void {
  const reader = new BinaryReader(bytes);
  try {
    while (reader.pos < reader.len) readField(reader, fields, message, unknown);
  } catch (error) {
    if (error instanceof TsbuildError) throw error;
    throw malformed(`${message} is damaged`, error);
  }
}

export function text(set: (value: string) => void): FieldReader {
  return { wire: WireType.LengthDelimited, read: (reader) => set(reader.string()) };
}

export function bytes(set: (value: Uint8Array) => void): FieldReader {
  // Copied: the reader's view would keep the whole definition alive.
  return { wire: WireType.LengthDelimited, read: (reader) => set(reader.bytes().slice()) };
}

export function bool(set: (value: boolean) => void): FieldReader {
  return { wire: WireType.Varint, read: (reader) => set(reader.bool()) };
}

export function bigInt(set: (value: bigint) => void): FieldReader {
  return { wire: WireType.Varint, read: (reader) => set(BigInt(reader.int64())) };
}

function safeNumber(value: bigint | string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw malformed(`the number ${value} is out of range`);
  return number;
}

export function int(set: (value: number) => void): FieldReader {
  return { wire: WireType.Varint, read: (reader) => set(safeNumber(reader.int64())) };
}

export function uint32(set: (value: number) => void): FieldReader {
  return { wire: WireType.Varint, read: (reader) => set(reader.uint32()) };
}

export function ints(add: (value: number) => void): FieldReader {
  return {
    wire: WireType.Varint,
    read: (reader) => add(safeNumber(reader.int64())),
    readPacked: (reader) => {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) add(safeNumber(reader.int64()));
    },
  };
}

/** An enum, as the name at its number. */
export function enumeration<T>(names: readonly T[], set: (value: T) => void): FieldReader {
  return int((number) => {
    const name = names[number];
    if (name === undefined) throw malformed(`the enum value ${number} is not known`);
    set(name);
  });
}

/** One entry of a `map<string, …>`; `value` makes the reader of field 2. */
export function mapEntry<T>(
  empty: T,
  value: (set: (value: T) => void) => FieldReader,
  add: (key: string, value: T) => void,
): FieldReader {
  return bytes((entry) => {
    let entryKey = "";
    let entryValue = empty;
    readMessage(entry, "map entry", {
      1: text((key) => {
        entryKey = key;
      }),
      2: value((read) => {
        entryValue = read;
      }),
    });
    add(entryKey, entryValue);
  });
}

export { malformed };
