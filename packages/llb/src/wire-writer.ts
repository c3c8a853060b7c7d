import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

const utf8 = new TextEncoder();

/** Order of Go's sorted map keys: by UTF-8 bytes, which differs from UTF-16 order above U+FFFF. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(utf8.encode(a), utf8.encode(b));
}

/** Keys of a string map in the order of deterministic protobuf output. */
export function sortedKeys(map: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(map).sort(compareBytes);
}

/**
 * Writes one protobuf message as Go's deterministic marshalling does: the caller goes by ascending field number,
 * a scalar with its default value is left out, a message field is written even when it is empty. Any deviation
 * changes vertex digests.
 */
export class MessageWriter {
  readonly #writer = new BinaryWriter();

  string(field: number, value: string): void {
    if (value !== "") this.#writer.tag(field, WireType.LengthDelimited).string(value);
  }

  strings(field: number, values: readonly string[]): void {
    for (const value of values) this.#writer.tag(field, WireType.LengthDelimited).string(value);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length > 0) this.#writer.tag(field, WireType.LengthDelimited).bytes(value);
  }

  bool(field: number, value: boolean): void {
    if (value) this.#writer.tag(field, WireType.Varint).bool(true);
  }

  /** int32 and int64 alike: a negative int32 is sign-extended to ten bytes on the wire. */
  int(field: number, value: number | bigint): void {
    if (Number(value) !== 0) this.#writer.tag(field, WireType.Varint).int64(value);
  }

  uint32(field: number, value: number): void {
    if (value !== 0) this.#writer.tag(field, WireType.Varint).uint32(value);
  }

  /** Member of a oneof: present even when zero. */
  oneofUint32(field: number, value: number): void {
    this.#writer.tag(field, WireType.Varint).uint32(value);
  }

  packedInts(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.#writer.tag(field, WireType.LengthDelimited).fork();
    for (const value of values) this.#writer.int64(value);
    this.#writer.join();
  }

  /** A message field: its bytes, or what writes them. */
  message(field: number, value: Uint8Array | WriteMessage): void {
    this.#writer.tag(field, WireType.LengthDelimited);
    if (value instanceof Uint8Array) {
      this.#writer.bytes(value);
      return;
    }
    this.#writer.fork();
    value(this);
    this.#writer.join();
  }

  /** Repeated `bytes`: an empty element counts. */
  repeatedBytes(field: number, values: readonly Uint8Array[]): void {
    for (const value of values) this.message(field, value);
  }

  /** `map<string, …>`: entries by ascending key; key and value are written even when they are empty. */
  map<T>(
    field: number,
    map: Readonly<Record<string, T>>,
    write: (entry: BinaryWriter, value: T) => void,
  ): void {
    for (const key of sortedKeys(map)) {
      this.#writer.tag(field, WireType.LengthDelimited).fork();
      this.#writer.tag(1, WireType.LengthDelimited).string(key);
      write(this.#writer, map[key] as T);
      this.#writer.join();
    }
  }

  stringMap(field: number, map: Readonly<Record<string, string>>): void {
    this.map(field, map, (entry, value) => entry.tag(2, WireType.LengthDelimited).string(value));
  }

  messageMap(field: number, map: Readonly<Record<string, Uint8Array>>): void {
    this.map(field, map, (entry, value) => entry.tag(2, WireType.LengthDelimited).bytes(value));
  }

  boolMap(field: number, keys: readonly string[]): void {
    const map = Object.fromEntries(keys.map((key) => [key, true]));
    this.map(field, map, (entry, value) => entry.tag(2, WireType.Varint).bool(value));
  }

  /** What was written, and the writer as new. */
  finish(): Uint8Array {
    return this.#writer.finish();
  }
}

/** Writes the fields of one message. */
export type WriteMessage = (writer: MessageWriter) => void;

/** A writer keeps the memory that its largest message took. */
const KEPT_BYTES = 64 * 1024;
/** Kept for the next message: most are of a few hundred bytes, and there is one for each op. */
let idle: MessageWriter | undefined;

/** Bytes of one message. */
export function writeMessage(write: WriteMessage): Uint8Array {
  const writer = idle ?? new MessageWriter();
  // Whoever writes a message meanwhile takes another one, and so do all when this ends in an error.
  idle = undefined;
  write(writer);
  const bytes = writer.finish();
  if (bytes.length <= KEPT_BYTES) idle = writer;
  return bytes;
}
