/**
 * Device rules as a program of the kernel's eBPF machine (BPF_PROG_TYPE_CGROUP_DEVICE), which v2 control groups ask before a device is
 * made or opened: v2 has no files like devices.allow. Pure; the native sandbox loads and attaches it.
 */

/** A rule in the form of devices.allow: `c 1:3 rwm`, `*` for any number. */
interface DeviceRule {
  readonly type: number;
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly access: number;
}

/** BPF_DEVCG_DEV_* and BPF_DEVCG_ACC_* of linux/bpf.h. */
const TYPES: Readonly<Record<string, number>> = { b: 1, c: 2 };
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

/** One `struct bpf_insn`. */
interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src?: number;
  readonly offset?: number;
  readonly imm?: number;
}

/* linux/bpf_common.h and linux/bpf.h: class, operation and source of an instruction, or-ed. */
const LOAD_WORD = 0x61;
const MOVE = 0xbf;
const MOVE_NUMBER = 0xb7;
const AND_NUMBER = 0x57;
const SHIFT_RIGHT = 0x77;
const JUMP_UNLESS_NUMBER = 0x55;
const JUMP_UNLESS = 0x5d;
const EXIT = 0x95;

/* Registers: r0 answers, r1 is the question, r2–r5 are free. */
const ANSWER = 0;
const QUESTION = 1;
const TYPE = 2;
const ASKED = 3;
const MAJOR = 4;
const MINOR = 5;

/** `struct bpf_cgroup_dev_ctx`: u32 access << 16 | type, u32 major, u32 minor. */
const PROLOGUE: readonly Instruction[] = [
  { code: LOAD_WORD, dst: TYPE, src: QUESTION, offset: 0 },
  { code: MOVE, dst: ASKED, src: TYPE },
  { code: AND_NUMBER, dst: TYPE, imm: 0xffff },
  { code: SHIFT_RIGHT, dst: ASKED, imm: 16 },
  { code: LOAD_WORD, dst: MAJOR, src: QUESTION, offset: 4 },
  { code: LOAD_WORD, dst: MINOR, src: QUESTION, offset: 8 },
];

function answer(allowed: 0 | 1): Instruction[] {
  return [
    { code: MOVE_NUMBER, dst: ANSWER, imm: allowed },
    { code: EXIT, dst: 0 },
  ];
}

function parseRule(text: string): DeviceRule {
  const match = /^([bc]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(text);
  if (match === null) throw new TypeError(`not a device rule: ${JSON.stringify(text)}`);
  const [, type = "", major = "", minor = "", access = ""] = match;
  const number = (digits: string): number | undefined => (digits === "*" ? undefined : Number(digits));
  return {
    type: TYPES[type] ?? 0,
    major: number(major),
    minor: number(minor),
    access: [...access].reduce((sum, letter) => sum | (ACCESS[letter] ?? 0), 0),
  };
}

/** Answers yes if everything that is asked for is in the rule; else goes on after itself. */
function compileRule(rule: DeviceRule): Instruction[] {
  const numbers = [
    [TYPE, rule.type],
    [MAJOR, rule.major],
    [MINOR, rule.minor],
  ] as const;
  const body: Instruction[] = [
    ...numbers.flatMap(([dst, imm]) => (imm === undefined ? [] : [{ code: JUMP_UNLESS_NUMBER, dst, imm }])),
    { code: MOVE, dst: ANSWER, src: ASKED },
    { code: AND_NUMBER, dst: ANSWER, imm: rule.access },
    { code: JUMP_UNLESS, dst: ANSWER, src: ASKED },
    ...answer(1),
  ];
  return body.map((instruction, index) => {
    const jumps = instruction.code === JUMP_UNLESS_NUMBER || instruction.code === JUMP_UNLESS;
    return jumps ? { ...instruction, offset: body.length - index - 1 } : instruction;
  });
}

/** `struct bpf_insn[]`, little endian: u8 code, u4 dst, u4 src, i16 offset, i32 imm. */
function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, dst, src = 0, offset = 0, imm = 0 }, index) => {
    view.setUint8(index * 8, code);
    view.setUint8(index * 8 + 1, dst | (src << 4));
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, imm, true);
  });
  return bytes;
}

/** A program that allows what one of the rules allows, and nothing else. */
export function deviceFilter(rules: readonly string[]): Uint8Array {
  return encode([...PROLOGUE, ...rules.map(parseRule).flatMap(compileRule), ...answer(0)]);
}
