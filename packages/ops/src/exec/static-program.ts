const PT_INTERP = 3;

/** Whether bytes are an ELF program that names no loader (elf(5)): it then needs nothing beside itself. Little-endian, 32 or 64 bit. */
export function isStaticProgram(bytes: Uint8Array): boolean {
  const elf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (elf.length < 64 || elf.readUInt32BE(0) !== 0x7f454c46 || elf[5] !== 1) return false;
  const wide = elf[4] === 2;
  const table = wide ? Number(elf.readBigUInt64LE(32)) : elf.readUInt32LE(28);
  const entryBytes = elf.readUInt16LE(wide ? 54 : 42);
  const count = elf.readUInt16LE(wide ? 56 : 44);
  for (let at = 0; at < count; at++) {
    const entry = table + at * entryBytes;
    if (entry + 4 > elf.length) return false;
    if (elf.readUInt32LE(entry) === PT_INTERP) return false;
  }
  return count > 0;
}
