/**
 * linux.seccomp → classic BPF, the program that the kernel runs before each system call (seccomp(2), "struct seccomp_data").
 * A call's number is found by binary search over ranges of numbers with the same verdict: about 7 comparisons, and none at all
 * for calls that are always allowed, because the kernel remembers those in a bitmap.
 */
import { type SeccompArch, syscallNumbers } from "./numbers.ts";
import type { LinuxSeccomp, SeccompArgument, SeccompRule } from "./profile.ts";

/** One `struct sock_filter`. */
export interface BpfInstruction {
  readonly code: number;
  /** Instructions to skip when a comparison holds, when it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_EQUAL = 0x35;
const RETURN = 0x06;

const NUMBER_OFFSET = 0;
const ARCH_OFFSET = 4;
const ARGS_OFFSET = 16;

const RET_ALLOW = 0x7fff0000;
const RET_ERRNO = 0x00050000;
const RET_USER_NOTIF = 0x7fc00000;
const RET_KILL_THREAD = 0;

const ENOSYS = 38;
const X32_BIT = 0x40000000;

/** AUDIT_ARCH_* of each architecture; x32 has that of x86-64 and is told apart by a bit of the number. */
const AUDIT_ARCH: Readonly<Record<SeccompArch, number>> = {
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0xc000003e,
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_ARM: 0x40000028,
};

function statement(code: number, k: number): BpfInstruction {
  return { code, jt: 0, jf: 0, k };
}

/** What a call gets: rules with conditions first, then an action that needs none. */
interface Verdict {
  readonly conditional: readonly SeccompRule[];
  readonly action: number;
}

/** Numbers from `start` up to the next range's start. */
interface Range {
  readonly start: number;
  readonly verdict: Verdict;
}

function actionOf(rule: SeccompRule): number {
  if (rule.action === "SCMP_ACT_NOTIFY") return RET_USER_NOTIF;
  return rule.action === "SCMP_ACT_ALLOW" ? RET_ALLOW : RET_ERRNO | (rule.errnoRet ?? 1);
}

/** Verdict of each call that a rule names. An unconditional rule makes the conditional ones of the same call moot. */
function verdictsByName(seccomp: LinuxSeccomp): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  const fallback = RET_ERRNO | seccomp.defaultErrnoRet;
  for (const rule of seccomp.syscalls) {
    // One for all its names: the first step of a build waits for this.
    const always: Verdict = { conditional: [], action: actionOf(rule) };
    for (const name of rule.names) {
      if (rule.args === undefined) {
        verdicts.set(name, always);
        continue;
      }
      const known = verdicts.get(name);
      if (known === undefined) verdicts.set(name, { conditional: [rule], action: fallback });
      else if (known.conditional.length > 0)
        verdicts.set(name, { conditional: [...known.conditional, rule], action: known.action });
    }
  }
  return verdicts;
}

function sameVerdict(a: Verdict, b: Verdict): boolean {
  return a.action === b.action && a.conditional.length === 0 && b.conditional.length === 0;
}

function appendRange(ranges: Range[], range: Range): void {
  const last = ranges.at(-1);
  if (last?.start === range.start) ranges.pop();
  const before = ranges.at(-1);
  if (before === undefined || !sameVerdict(before.verdict, range.verdict)) ranges.push(range);
}

/**
 * Ranges of one architecture's numbers, from `base` on. Beyond the last number that the profile knows the answer is ENOSYS, as
 * runc has it: programs fall back to older calls on ENOSYS, but give up on EPERM.
 */
function rangesOf(arch: SeccompArch, verdicts: ReadonlyMap<string, Verdict>, fallback: number): Range[] {
  const base = arch === "SCMP_ARCH_X32" ? X32_BIT : 0;
  const numbers = syscallNumbers(arch);
  const known = new Map<number, Verdict>();
  for (const [name, verdict] of verdicts) {
    const number = numbers.get(name);
    if (number !== undefined) known.set(base + number, verdict);
  }
  const denied: Verdict = { conditional: [], action: fallback };
  const ranges: Range[] = [{ start: base, verdict: denied }];
  // Numbers are sorted by V8 itself, objects by a function that it calls.
  for (const number of Uint32Array.from(known.keys()).sort()) {
    appendRange(ranges, { start: number, verdict: known.get(number) ?? denied });
    ranges.push({ start: number + 1, verdict: denied });
  }
  const end = ranges.pop()?.start ?? base;
  ranges.push({ start: end, verdict: { conditional: [], action: RET_ERRNO | ENOSYS } });
  return ranges;
}

function low(value: number): number {
  return value >>> 0;
}

function high(value: number): number {
  return Math.floor(value / 2 ** 32);
}

/** Instructions that go on after themselves if the argument matches; a negative jf stands for "this rule does not apply". */
const NO_MATCH = -1;

function compareArgument(arg: SeccompArgument): BpfInstruction[] {
  const at = ARGS_OFFSET + 8 * arg.index;
  const equal = (offset: number, mask: number, value: number): BpfInstruction[] => [
    statement(LOAD, offset),
    ...(mask === 0xffffffff ? [] : [statement(AND, mask)]),
    { code: JUMP_EQUAL, jt: 0, jf: NO_MATCH, k: value },
  ];
  switch (arg.op) {
    case "SCMP_CMP_EQ":
      return [...equal(at + 4, 0xffffffff, high(arg.value)), ...equal(at, 0xffffffff, low(arg.value))];
    case "SCMP_CMP_MASKED_EQ":
      return [
        ...(high(arg.value) === 0 ? [] : equal(at + 4, high(arg.value), high(arg.valueTwo ?? 0))),
        ...equal(at, low(arg.value), low(arg.valueTwo ?? 0)),
      ];
    /* Only the low half: the kernel reads an `int`, and garbage above it must not pass for another value. */
    case "SCMP_CMP_LT":
      return [statement(LOAD, at), { code: JUMP_GREATER_EQUAL, jt: NO_MATCH, jf: 0, k: low(arg.value) }];
    case "SCMP_CMP_GT":
      return [statement(LOAD, at), { code: JUMP_GREATER_EQUAL, jt: 0, jf: NO_MATCH, k: low(arg.value + 1) }];
  }
}

/** A rule with conditions: returns its action or goes on after itself. */
function compileRule(rule: SeccompRule): BpfInstruction[] {
  const body = [...(rule.args ?? []).flatMap(compareArgument), statement(RETURN, actionOf(rule))];
  return body.map((instruction, index) => {
    const toEnd = body.length - index - 1;
    return {
      ...instruction,
      jt: instruction.jt === NO_MATCH ? toEnd : instruction.jt,
      jf: instruction.jf === NO_MATCH ? toEnd : instruction.jf,
    };
  });
}

function compileVerdict(verdict: Verdict): BpfInstruction[] {
  return [...verdict.conditional.flatMap(compileRule), statement(RETURN, verdict.action)];
}

interface Search {
  readonly ranges: readonly Range[];
  readonly from: number;
  readonly to: number;
}

/** Binary search; the number is in the accumulator. Every path ends in a return. */
function writeSearch(out: BpfInstruction[], { ranges, from, to }: Search): void {
  const only = ranges[from];
  if (only !== undefined && to - from === 1) {
    out.push(...compileVerdict(only.verdict));
    return;
  }
  const middle = from + ((to - from) >> 1);
  const k = ranges[middle]!.start;
  const at = out.length;
  out.push(statement(JUMP, 0));
  writeSearch(out, { ranges, from, to: middle });
  const below = out.length - at - 1;
  /* Conditional jumps reach 255 instructions; farther ones go by way of an unconditional jump. */
  if (below <= 255) out[at] = { code: JUMP_GREATER_EQUAL, jt: below, jf: 0, k };
  else out.splice(at, 1, { code: JUMP_GREATER_EQUAL, jt: 0, jf: 1, k }, statement(JUMP, below));
  writeSearch(out, { ranges, from: middle, to });
}

/** All architectures with one AUDIT_ARCH, told apart by number. */
function compileArch(
  arches: readonly SeccompArch[],
  verdicts: ReadonlyMap<string, Verdict>,
  fallback: number,
): BpfInstruction[] {
  const ranges = arches
    .flatMap((arch) => rangesOf(arch, verdicts, fallback))
    .sort((a, b) => a.start - b.start);
  const out = [statement(LOAD, NUMBER_OFFSET)];
  writeSearch(out, { ranges, from: 0, to: ranges.length });
  return out;
}

/** The program as instructions. A call of an architecture that is not listed kills the thread, as libseccomp has it. */
export function compileSeccomp(seccomp: LinuxSeccomp): BpfInstruction[] {
  const groups = Map.groupBy(seccomp.architectures, (arch) => AUDIT_ARCH[arch]);
  const verdicts = verdictsByName(seccomp);
  const fallback = RET_ERRNO | seccomp.defaultErrnoRet;
  const blocks = [...groups].flatMap(([audit, arches]) => {
    const block = compileArch(arches, verdicts, fallback);
    return [{ code: JUMP_EQUAL, jt: 1, jf: 0, k: audit }, statement(JUMP, block.length), ...block];
  });
  return [statement(LOAD, ARCH_OFFSET), ...blocks, statement(RETURN, RET_KILL_THREAD)];
}

/** `struct sock_filter[]`, little endian: u16 code, u8 jt, u8 jf, u32 k. */
export function encodeBpf(program: readonly BpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach((instruction, index) => {
    view.setUint16(index * 8, instruction.code, true);
    view.setUint8(index * 8 + 2, instruction.jt);
    view.setUint8(index * 8 + 3, instruction.jf);
    view.setUint32(index * 8 + 4, instruction.k, true);
  });
  return bytes;
}
