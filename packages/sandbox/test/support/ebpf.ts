/** A machine for the few eBPF instructions that device filters are made of. */

export interface DeviceQuestion {
  /** 1 block, 2 character. */
  readonly type: number;
  readonly major: number;
  readonly minor: number;
  /** 1 make, 2 read, 4 write, or-ed. */
  readonly access: number;
}

/** True if the program allows what is asked. */
export function runDeviceFilter(program: Uint8Array, question: DeviceQuestion): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const context = [(question.access << 16) | question.type, question.major, question.minor];
  const registers = new Array<number>(11).fill(Number.NaN);
  for (let at = 0; at < program.length / 8; at++) {
    const code = view.getUint8(at * 8);
    const dst = view.getUint8(at * 8 + 1) & 15;
    const src = view.getUint8(at * 8 + 1) >> 4;
    const offset = view.getInt16(at * 8 + 2, true);
    const imm = view.getInt32(at * 8 + 4, true);
    const value = (register: number): number => registers[register] ?? Number.NaN;
    if (code === 0x61) registers[dst] = context[offset / 4] ?? Number.NaN;
    else if (code === 0xbf) registers[dst] = value(src);
    else if (code === 0xb7) registers[dst] = imm;
    else if (code === 0x57) registers[dst] = value(dst) & imm;
    else if (code === 0x77) registers[dst] = value(dst) >>> imm;
    else if (code === 0x55) at += value(dst) !== imm ? offset : 0;
    else if (code === 0x5d) at += value(dst) !== value(src) ? offset : 0;
    else if (code === 0x95) return value(0) === 1;
    else throw new Error(`no such instruction: ${code.toString(16)}`);
  }
  throw new Error("the program does not end");
}
