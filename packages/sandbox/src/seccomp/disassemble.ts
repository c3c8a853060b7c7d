/** A seccomp program as text, one instruction a line, with targets of jumps by number and calls by name. */
import type { BpfInstruction } from "./compile.ts";
import { type SeccompArch, syscallNumbers } from "./numbers.ts";

const ARCH_NAMES = new Map([
  [0xc000003e, "x86-64 or x32"],
  [0x40000003, "x86"],
  [0xc00000b7, "arm64"],
  [0x40000028, "arm"],
]);

const ARCHES_OF = new Map<number, readonly SeccompArch[]>([
  [0xc000003e, ["SCMP_ARCH_X86_64"]],
  [0x40000003, ["SCMP_ARCH_X86"]],
  [0xc00000b7, ["SCMP_ARCH_AARCH64"]],
  [0x40000028, ["SCMP_ARCH_ARM"]],
]);

const X32_BIT = 0x40000000;

/** Offsets of `struct seccomp_data` (seccomp(2)). */
function fieldAt(offset: number): string {
  if (offset === 0) return "nr";
  if (offset === 4) return "arch";
  const half = (offset - 16) % 8 === 0 ? "low" : "high";
  return `args[${Math.floor((offset - 16) / 8)}].${half}`;
}

function actionText(k: number): string {
  if (k === 0x7fff0000) return "ALLOW";
  if (k === 0x7fc00000) return "USER_NOTIF";
  if (k === 0) return "KILL_THREAD";
  const errno = k & 0xffff;
  const name = errno === 1 ? "EPERM" : errno === 38 ? "ENOSYS" : String(errno);
  return `ERRNO ${name}`;
}

/** What a comparison compares with, in words where it has some: depends on what was loaded last. */
interface Position {
  loaded: string;
  names: ReadonlyMap<number, string>;
}

function namesOf(audit: number): Map<number, string> {
  const arches = ARCHES_OF.get(audit) ?? [];
  return new Map(arches.flatMap((arch) => [...syscallNumbers(arch)].map(([name, number]) => [number, name])));
}

function comment(k: number, { loaded, names }: Position): string {
  if (loaded === "arch") return `  ; ${ARCH_NAMES.get(k) ?? "another architecture"}`;
  if (loaded !== "nr") return "";
  if (k >= X32_BIT && names.has(k - X32_BIT)) return `  ; x32 ${names.get(k - X32_BIT)}`;
  const name = names.get(k);
  return name === undefined ? "" : `  ; ${name}`;
}

function jump(index: number, instruction: BpfInstruction, sign: string, position: Position): string {
  const { jt, jf, k } = instruction;
  const test = `if A ${sign} 0x${k.toString(16)} goto ${index + 1 + jt} else ${index + 1 + jf}`;
  return test + comment(k, position);
}

function text(index: number, instruction: BpfInstruction, position: Position): string {
  const { code, k } = instruction;
  switch (code) {
    case 0x20:
      return `A = ${fieldAt(k)}`;
    case 0x54:
      return `A &= 0x${k.toString(16)}`;
    case 0x05:
      return `goto ${index + 1 + k}`;
    case 0x15:
      return jump(index, instruction, "==", position);
    case 0x35:
      return jump(index, instruction, ">=", position);
    case 0x06:
      return `return ${actionText(k)}`;
    default:
      throw new RangeError(`instruction ${index} has the unknown code 0x${code.toString(16)}`);
  }
}

/** One line per instruction: its number, what it does, and the call or architecture that a comparison is about. */
export function disassemble(program: readonly BpfInstruction[]): string[] {
  const position: Position = { loaded: "", names: new Map() };
  return program.map((instruction, index) => {
    if (instruction.code === 0x20) position.loaded = fieldAt(instruction.k);
    if (instruction.code === 0x15 && position.loaded === "arch") position.names = namesOf(instruction.k);
    return `${String(index).padStart(4)}  ${text(index, instruction, position)}`;
  });
}
