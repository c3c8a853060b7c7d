/** What the kernel does with a seccomp filter: enough of classic BPF to run what compileSeccomp writes. */
import type { BpfInstruction } from "@tsbuild/sandbox";

export interface SeccompCall {
  /** AUDIT_ARCH_*. */
  readonly arch: number;
  readonly number: number;
  readonly args?: readonly bigint[];
}

function load(call: SeccompCall, offset: number): number {
  if (offset === 0) return call.number;
  if (offset === 4) return call.arch;
  const arg = call.args?.[(offset - 16) >> 3] ?? 0n;
  return Number((offset & 4 ? arg >> 32n : arg) & 0xffffffffn);
}

/** The filter's return value for a call. Throws where the kernel would refuse the program. */
export function runFilter(program: readonly BpfInstruction[], call: SeccompCall): number {
  let accumulator = 0;
  for (let at = 0; at < program.length; at++) {
    const { code, jt, jf, k } = program[at]!;
    if (code === 0x20) accumulator = load(call, k);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) at += k;
    else if (code === 0x15) at += accumulator === k ? jt : jf;
    else if (code === 0x35) at += accumulator >= k ? jt : jf;
    else if (code === 0x06) return k;
    else throw new Error(`instruction ${at}: unknown code ${code}`);
  }
  throw new Error("ran off the end");
}
