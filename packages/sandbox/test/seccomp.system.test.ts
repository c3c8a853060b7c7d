/** The filter as the kernel has it: every system call number, by every door of this machine, against the filter as it was compiled. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BpfInstruction,
  type Capability,
  capabilityNames,
  compileSeccomp,
  defaultCapabilities,
  defaultSeccomp,
  encodeBpf,
  readHostFacts,
  toRuntimeSpec,
} from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runFilter } from "./support/bpf.ts";
import { missingForSystemTests, TestRoots } from "./support/rootfs.ts";
import { execSpec } from "./support/spec.ts";
import { Steps } from "./support/steps.ts";

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const X32_BIT = 0x40000000;
const ALLOW = 0x7fff0000;

const missing = process.arch === "x64" ? missingForSystemTests() : "the program is for x86-64";
if (missing !== undefined) console.warn(`seccomp in the kernel: skipped, ${missing}`);

/** What the program prints if the kernel agrees with `filter`. */
function predicted(filter: readonly BpfInstruction[], printed: string): string {
  const lines = printed.trimEnd().split("\n");
  const answers = lines.map((line) => {
    const [door = "", number = "", argument = ""] = line.split(" ");
    const arch = door === "i386" ? I386 : X86_64;
    /* Also through int 0x80 a filter sees the whole register of a 64-bit program, though the call takes half of it. */
    const call = { arch, number: Number(number) + (door === "x32" ? X32_BIT : 0), args: [BigInt(argument)] };
    const action = runFilter(filter, call);
    return `${door} ${number} ${argument} ${action === ALLOW ? 0 : action & 0xffff}`;
  });
  return `${answers.join("\n")}\n`;
}

describe.skipIf(missing !== undefined)("seccomp in the kernel", () => {
  let roots: TestRoots;
  beforeAll(() => {
    roots = new TestRoots();
    roots.addProgram("verdicts");
  });
  afterAll(() => roots.remove());

  test("a step: each of 700 numbers on x86-64, x32 and i386 gets the profile's verdict", async () => {
    const { stdout, exitCode } = await new Steps(roots).run({ args: ["verdicts"] });
    expect(exitCode).toBe(0);
    expect(stdout.split("\n")).toHaveLength((3 * 700 - 2) * 6 + 1);
    const { seccomp } = toRuntimeSpec(execSpec(), readHostFacts()).linux;
    if (seccomp === undefined) throw new Error("no filter on this machine");
    expect(stdout).toBe(predicted(compileSeccomp(seccomp), stdout));
    /* unshare and mount are refused, read is not, clone3 looks missing. */
    for (const line of [
      "x86-64 272 0 1",
      "x86-64 165 0 1",
      "i386 310 0 1",
      "x86-64 0 0 0",
      "x86-64 435 0 38",
    ]) {
      expect(stdout).toContain(`${line}\n`);
    }
  });

  test.each<[string, readonly Capability[]]>([
    ["no capabilities", []],
    ["CAP_SYS_ADMIN besides", [...defaultCapabilities, "CAP_SYS_ADMIN"]],
    [
      "CAP_SYS_PTRACE, CAP_BPF and CAP_SYS_TIME besides",
      [...defaultCapabilities, "CAP_SYS_PTRACE", "CAP_BPF", "CAP_SYS_TIME"],
    ],
    ["all capabilities", capabilityNames],
  ])("the profile for %s", (_, capabilities) => {
    const filter = compileSeccomp(defaultSeccomp("amd64", capabilities));
    const file = join(roots.folder, "filter");
    writeFileSync(file, encodeBpf(filter));
    const program = roots.lowerPath("bin/verdicts");
    const stdout = execFileSync(program, [file], { encoding: "utf8", maxBuffer: 1 << 26 });
    expect(stdout).toBe(predicted(filter, stdout));
  });
});
