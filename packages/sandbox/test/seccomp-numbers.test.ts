/** Call numbers against those of this machine's kernel headers, which every C compiler comes with. */
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { syscallNumbers } from "../src/seccomp/numbers.ts";

/** The table that arm64 has its numbers from, as do all machines after it. */
const GENERIC = "/usr/include/asm-generic/unistd.h";
/** From here on a new call has one number on all machines (Linux 5.1). */
const SAME_EVERYWHERE = 424;

function genericNumbers(): ReadonlyMap<string, number> {
  const text = readFileSync(GENERIC, "utf8");
  const numbers = new Map<string, number>();
  for (const [, name = "", number] of text.matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)$/gm))
    numbers.set(name, Number(number));
  for (const [, name = "", other = ""] of text.matchAll(/^#define __NR_(\w+) __NR3264_(\w+)$/gm)) {
    const number = numbers.get(other);
    if (number !== undefined) numbers.set(name, number);
  }
  return numbers;
}

if (!existsSync(GENERIC)) console.log(`skipped: numbers of arm64: no ${GENERIC} (linux-libc-dev)`);

test.skipIf(!existsSync(GENERIC))("arm64 has the numbers of the kernel's generic table", () => {
  const header = genericNumbers();
  const known = [...syscallNumbers("SCMP_ARCH_AARCH64")].filter(([name]) => header.has(name));
  expect(known.length).toBeGreaterThan(280);
  expect(known.filter(([name, number]) => header.get(name) !== number)).toEqual([]);
});

test("calls since Linux 5.1 have one number on all machines", () => {
  const amd64 = syscallNumbers("SCMP_ARCH_X86_64");
  for (const arch of ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_X86"] as const) {
    const late = [...syscallNumbers(arch)].filter(([name]) => (amd64.get(name) ?? 0) >= SAME_EVERYWHERE);
    expect(late.length).toBeGreaterThan(20);
    expect(late.filter(([name, number]) => amd64.get(name) !== number)).toEqual([]);
  }
});
