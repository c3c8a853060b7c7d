/** A small ELF program of 64 bits with the sections that a test wants; the first of them is also its writable data. */
export interface Section {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Address in memory of a byte of the file. */
export const BASE = 0x400000;

export function elfFile(sections: readonly Section[], options: { readonly sectionTable: boolean }): Buffer {
  const named = [...sections, { name: ".shstrtab", bytes: names(sections) }];
  const header = Buffer.alloc(64);
  const programHeaders = Buffer.alloc(56);
  let at = header.length + programHeaders.length;
  const placed = named.map(({ name, bytes }) => {
    const offset = at;
    const padded = Buffer.concat([bytes, Buffer.alloc((16 - (bytes.length % 16)) % 16)]);
    at += padded.length;
    return { name, offset, bytes, padded };
  });
  header.write("\x7fELF", 0, "latin1");
  header.set([2, 1, 1], 4);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  programHeaders.writeUInt32LE(1, 0);
  programHeaders.writeUInt32LE(6, 4);
  programHeaders.writeBigUInt64LE(BigInt(placed[0]?.offset ?? 0), 8);
  programHeaders.writeBigUInt64LE(BigInt(BASE + (placed[0]?.offset ?? 0)), 16);
  programHeaders.writeBigUInt64LE(BigInt(at), 32);
  const body = placed.map(({ padded }) => padded);
  if (!options.sectionTable) return padToProgram(Buffer.concat([header, programHeaders, ...body]));
  header.writeBigUInt64LE(BigInt(at), 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(named.length, 60);
  header.writeUInt16LE(named.length - 1, 62);
  const table = placed.map(({ name, offset, bytes }) => sectionRow(named, name, offset, bytes.length));
  return padToProgram(Buffer.concat([header, programHeaders, ...body, ...table]));
}

/** Smaller files are not looked into. */
function padToProgram(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(Math.max(0, 4096 - bytes.length))]);
}

function names(sections: readonly Section[]): Buffer {
  return Buffer.from([...sections.map(({ name }) => name), ".shstrtab", ""].join("\0"));
}

function sectionRow(named: readonly Section[], name: string, offset: number, size: number): Buffer {
  const row = Buffer.alloc(64);
  row.writeUInt32LE(names(named.slice(0, -1)).indexOf(`${name}\0`), 0);
  row.writeUInt32LE(1, 4);
  row.writeBigUInt64LE(BigInt(offset), 24);
  row.writeBigUInt64LE(BigInt(size), 32);
  return row;
}
