const BLOCK = 512;

/** Numbers that look random and are the same in every run (xorshift32). */
export class Randomness {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<T>(list: readonly T[]): T {
    const picked = list[this.below(list.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** In chunks of any sizes. */
  cut(bytes: Buffer): Buffer[] {
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = this.once(3) ? this.below(40) : this.below(3000);
      chunks.push(bytes.subarray(at, at + size));
      at += size;
    }
    return chunks;
  }
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK)]);
}

function octal(value: number, digits: number, end: string): string {
  return value.toString(8).padStart(digits, "0") + end;
}

function setChecksum(header: Buffer): void {
  header.fill(0x20, 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6, "\0")} `, 148, "latin1");
}

function record(key: string, value: string): string {
  const rest = key.length + Buffer.byteLength(value) + 3;
  let length = rest;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return `${length} ${key}=${value}\n`;
}

const MAGICS = ["ustar\x0000", "ustar  \0", "\0\0\0\0\0\0\0\0", "ustar\x0000"];
const NAMES = [
  "a",
  "folder/file",
  "./b",
  "/c",
  "\xe4\xff",
  "x".repeat(99),
  "y".repeat(100),
  `${"deep/".repeat(12)}z`,
  "",
];
const LONG_NAMES = [`${"long/".repeat(60)}name`, "p", "q".repeat(700)];
const FLAGS = [..."00000\0", ..."123456", "7", "0", "5", "S", "V", "\x80"];

/** A header block and what follows it. */
export function headerBlock(
  flag: string,
  { name = "name", sizeBytes = 0, magic = "ustar\x0000" } = {},
): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100, "latin1");
  for (const at of [100, 108, 116, 329, 337]) header.write(octal(0, 7, "\0"), at, "latin1");
  header.write(octal(sizeBytes, 11, "\0"), 124, "latin1");
  header.write(octal(0, 11, "\0"), 136, "latin1");
  header.write(flag, 156, "latin1");
  header.write(magic, 257, "latin1");
  setChecksum(header);
  return header;
}

export function member(flag: string, body: Buffer, name?: string): Buffer {
  return Buffer.concat([headerBlock(flag, { name, sizeBytes: body.length }), padded(body)]);
}

/** A PAX header with these records. */
export function paxMember(flag: "x" | "g", records: Readonly<Record<string, string>>): Buffer {
  return member(
    flag,
    Buffer.from(
      Object.entries(records)
        .map(([key, value]) => record(key, value))
        .join(""),
    ),
  );
}

/**
 * An archive of a few members in the forms that there are, mostly well made. Left out is what the comparison's readers take differently
 * for reasons that have tests of their own.
 */
export class RandomArchive {
  readonly #random: Randomness;
  readonly #parts: Buffer[] = [];
  #hasGlobal = false;

  constructor(random: Randomness) {
    this.#random = random;
  }

  bytes(): Buffer {
    const random = this.#random;
    for (let count = random.below(6); count > 0; count--) this.#member();
    // One block of zeros alone is no end, and no end is one, too. What is behind the end is not for readers who stop there.
    const end = random.pick([
      Buffer.alloc(2 * BLOCK),
      Buffer.alloc(BLOCK),
      Buffer.alloc(0),
      Buffer.alloc(5 * BLOCK),
    ]);
    const whole = Buffer.concat([...this.#parts, end]);
    return random.once(4) ? whole.subarray(0, random.below(whole.length + 1)) : whole;
  }

  #member(): void {
    const random = this.#random;
    if (random.once(8)) this.#add("L", Buffer.from(`${random.pick(LONG_NAMES)}\0`));
    if (random.once(10)) this.#add("K", Buffer.from(`${random.pick(LONG_NAMES)}\0`));
    if (random.once(12) && !this.#hasGlobal) {
      this.#hasGlobal = true;
      this.#add("g", this.#records());
    }
    const size = random.once(3) ? 0 : random.below(1500);
    const flag = random.pick(FLAGS);
    if (random.once(4)) this.#add("x", this.#records(flag === "5" ? undefined : size));
    const body = flag === "5" ? Buffer.alloc(0) : random.bytes(size);
    this.#add(flag, body, random.once(40) && flag !== "5" ? random.below(3000) : body.length);
    if (random.once(20)) this.#parts.push(Buffer.alloc(BLOCK));
  }

  /** Records of a PAX header; names in them are ASCII, since tar-stream takes all for UTF-8. */
  #records(sizeBytes?: number): Buffer {
    const random = this.#random;
    const known: readonly [string, string][] = [
      ["path", random.pick(LONG_NAMES)],
      ["linkpath", random.pick(LONG_NAMES)],
      ["mtime", random.pick(["1234567890.25", "17", "-5", "1e3", ""])],
      ["uid", random.pick(["1000", "4294967294", "70000", "x"])],
      ["gid", random.pick(["0", "2097152", "4294967295"])],
      ["comment", random.pick(["", "a = b\nc", "z".repeat(600)])],
      ["SCHILY.xattr.user.a", random.pick(["value", ""])],
    ];
    const chosen = [random.pick(known), ...known.filter(() => random.once(4))];
    if (sizeBytes !== undefined && random.once(3)) chosen.push(["size", String(sizeBytes)]);
    if (random.once(40)) chosen.push(["GNU.sparse.major", "1"]);
    const bytes = Buffer.from(chosen.map(([key, value]) => record(key, value)).join(""));
    if (bytes.length > 0 && random.once(25)) bytes[random.below(bytes.length)] = random.below(128);
    return bytes;
  }

  #number(header: Buffer, at: number, length: number, value: number): void {
    const random = this.#random;
    const form = random.below(60);
    if (form < 5) {
      const negative = random.once(8);
      header.fill(negative ? 0xff : 0, at, at + length);
      if (!negative) header[at] = 0x80;
      header.writeInt32BE(negative ? -1 - (value & 0xffff) : value, at + length - 4);
    } else if (form < 10) header.write(value.toString(8).padStart(length - 1, " "), at, "latin1");
    else if (form === 10) header.write(random.pick(["9", "", "7x"]), at, "latin1");
    else header.write(octal(value, length - 1, random.pick(["\0", " "])), at, "latin1");
  }

  #add(flag: string, body: Buffer, told = body.length): void {
    const random = this.#random;
    const header = Buffer.alloc(BLOCK);
    const name = random.pick(NAMES);
    header.write(
      flag === "5" || (flag === "\0" && body.length === 0 && random.once(3)) ? `${name}/` : name,
      0,
      100,
      "latin1",
    );
    this.#number(header, 100, 8, random.below(0o10000));
    this.#number(header, 108, 8, random.below(0o777777));
    this.#number(header, 116, 8, random.below(0o777777));
    if (flag === "5") header.write(octal(told, 11, "\0"), 124, "latin1");
    else this.#number(header, 124, 12, told);
    this.#number(header, 136, 12, random.below(2 ** 31));
    header.write(flag, 156, "latin1");
    if (random.once(2)) header.write(random.pick(NAMES), 157, 100, "latin1");
    header.write(random.pick(MAGICS), 257, "latin1");
    this.#number(header, 329, 8, random.below(256));
    this.#number(header, 337, 8, random.below(256));
    if (random.once(6) && name !== "")
      header.write(random.pick(["prefix", "pre/fix".repeat(20)]), 345, 155, "latin1");
    if (random.once(40)) header[random.below(BLOCK)] = random.below(256);
    setChecksum(header);
    if (random.once(100)) header[random.below(BLOCK)] = random.below(256);
    this.#parts.push(header, padded(body));
  }
}
