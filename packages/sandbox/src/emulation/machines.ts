/** A machine whose programs this one may have to run, as an ELF header and qemu name it. */
export interface Machine {
  /** As platforms have it (Go's GOARCH). */
  readonly architecture: string;
  /** `qemu-aarch64`. */
  readonly qemu: string;
  /** e_machine of elf(5). */
  readonly elfMachine: number;
  readonly bits: 32 | 64;
  readonly bigEndian: boolean;
  /** Code that calls exit(0), for trying whether the kernel runs such programs; absent: that is not tried. */
  readonly exit?: readonly number[] | undefined;
}

/** Little-endian words of instructions. */
function words(...values: readonly number[]): number[] {
  return values.flatMap((value) => [...new Uint8Array(Uint32Array.of(value).buffer)]);
}

const little = { bits: 64, bigEndian: false } as const;

export const machines: readonly Machine[] = [
  {
    ...little,
    architecture: "amd64",
    qemu: "qemu-x86_64",
    elfMachine: 62,
    exit: [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05],
  },
  {
    ...little,
    architecture: "arm64",
    qemu: "qemu-aarch64",
    elfMachine: 183,
    exit: words(0xd2800ba8, 0xd2800000, 0xd4000001),
  },
  {
    ...little,
    architecture: "riscv64",
    qemu: "qemu-riscv64",
    elfMachine: 243,
    exit: words(0x05d00893, 0x00000513, 0x00000073),
  },
  {
    ...little,
    bits: 32,
    architecture: "arm",
    qemu: "qemu-arm",
    elfMachine: 40,
    exit: words(0xe3a07001, 0xe3a00000, 0xef000000),
  },
  {
    ...little,
    bits: 32,
    architecture: "386",
    qemu: "qemu-i386",
    elfMachine: 3,
    exit: [0x31, 0xdb, 0xb8, 1, 0, 0, 0, 0xcd, 0x80],
  },
  { ...little, architecture: "ppc64le", qemu: "qemu-ppc64le", elfMachine: 21 },
  { ...little, architecture: "mips64le", qemu: "qemu-mips64el", elfMachine: 8 },
  { ...little, architecture: "loong64", qemu: "qemu-loongarch64", elfMachine: 258 },
  { architecture: "s390x", qemu: "qemu-s390x", elfMachine: 22, bits: 64, bigEndian: true },
];

function half(value: number, bigEndian: boolean): number[] {
  const bytes = [value & 0xff, value >> 8];
  return bigEndian ? bytes.reverse() : bytes;
}

const ELF_EXECUTABLE = 2;

/** The first 20 bytes of its programs: identification, type and machine. */
export function elfStart({ bits, bigEndian, elfMachine }: Machine): number[] {
  const ident = [
    0x7f,
    0x45,
    0x4c,
    0x46,
    bits === 64 ? 2 : 1,
    bigEndian ? 2 : 1,
    1,
    0,
    ...Array<number>(8).fill(0),
  ];
  return [...ident, ...half(ELF_EXECUTABLE, bigEndian), ...half(elfMachine, bigEndian)];
}

/** Any ABI, and also shared objects (type 3), which position-independent programs are. */
function elfMask({ bigEndian }: Machine): number[] {
  const ident = [...Array<number>(7).fill(0xff), 0, ...Array<number>(8).fill(0xff)];
  return [...ident, ...half(0xfffe, bigEndian), 0xff, 0xff];
}

function escaped(bytes: readonly number[]): string {
  return bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}

/**
 * binfmt_misc's rule (admin-guide/binfmt-misc.rst). Flags: F opens the interpreter now, as steps have roots without it; O and C hand the
 * program over open and with its own rights (setuid), P keeps argv[0].
 */
export function binfmtRule(machine: Machine, interpreter: string): string {
  return `:${machine.qemu}:M::${escaped(elfStart(machine))}:${escaped(elfMask(machine))}:${interpreter}:FOCP`;
}

/** Sizes of the file header and of one program header, and where in them fields are (elf(5)). */
const LAYOUTS = {
  64: {
    header: 64,
    segment: 56,
    entry: 24,
    segments: 32,
    sizes: 52,
    flags: 4,
    fields: [8, 16, 24, 32, 40, 48],
  },
  32: {
    header: 52,
    segment: 32,
    entry: 24,
    segments: 28,
    sizes: 40,
    flags: 24,
    fields: [4, 8, 12, 16, 20, 28],
  },
} as const;

const LOAD = 1;
const READ_AND_EXECUTE = 5;
const ADDRESS = 0x10000;

/** A whole program of a little-endian machine: headers and code, which is at its entry point. */
export function elfProgram(machine: Machine, code: Uint8Array): Uint8Array {
  const layout = LAYOUTS[machine.bits];
  const start = layout.header + layout.segment;
  const bytes = new Uint8Array(start + code.length);
  const view = new DataView(bytes.buffer);
  bytes.set(elfStart(machine));
  bytes.set(code, start);
  view.setUint32(20, 1, true);
  view.setUint32(layout.entry, ADDRESS + start, true);
  view.setUint32(layout.segments, layout.header, true);
  for (const [at, size] of [layout.header, layout.segment, 1].entries())
    view.setUint16(layout.sizes + 2 * at, size, true);
  const values = [0, ADDRESS, ADDRESS, bytes.length, bytes.length, 0x1000];
  view.setUint32(layout.header, LOAD, true);
  view.setUint32(layout.header + layout.flags, READ_AND_EXECUTE, true);
  for (const [at, value] of values.entries())
    view.setUint32(layout.header + (layout.fields[at] ?? 0), value, true);
  return bytes;
}

/** A program of the machine that does nothing and ends with 0; undefined where there is none. */
export function exitProgram(machine: Machine): Uint8Array | undefined {
  return machine.exit === undefined ? undefined : elfProgram(machine, Uint8Array.from(machine.exit));
}
