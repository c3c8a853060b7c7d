import { readFileSync } from "node:fs";

/** Numbers of capabilities(7). */
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_ADMIN = 21;

/** What this process may do at this moment. */
export function hasCapability(number: number): boolean {
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return digits !== undefined && ((BigInt(`0x${digits}`) >> BigInt(number)) & 1n) === 1n;
}
