import { compileSeccomp, defaultCapabilities, defaultSeccomp, encodeBpf } from "@tsbuild/sandbox";
import { expect, test } from "vitest";
import { type SeccompArch, syscallNumbers } from "../src/seccomp/numbers.ts";
import { type LinuxSeccomp, type SeccompArgument, waitingForNetwork } from "../src/seccomp/profile.ts";
import { runFilter } from "./support/bpf.ts";

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const AARCH64 = 0xc00000b7;
const ARM = 0x40000028;
const X32_BIT = 0x40000000;

const ALLOW = 0x7fff0000;
const WAIT = 0x7fc00000;
const KILL = 0;
const errno = (number: number): number => 0x50000 + number;
const EPERM = errno(1);
const ENOSYS = errno(38);

const profile = defaultSeccomp("amd64", defaultCapabilities);
const filter = compileSeccomp(profile);

function call(name: string, args: readonly bigint[] = [], arch: SeccompArch = "SCMP_ARCH_X86_64"): number {
  const number = syscallNumbers(arch).get(name);
  if (number === undefined) throw new Error(`no ${name} on ${arch}`);
  return runFilter(filter, { arch: arch === "SCMP_ARCH_X86" ? I386 : X86_64, number, args });
}

/** Plain reading of the rules, against which the compiled form is held. */
function expected(rules: LinuxSeccomp, names: readonly string[], args: readonly bigint[]): number {
  const holds = (arg: SeccompArgument): boolean => {
    const value = args[arg.index] ?? 0n;
    if (arg.op === "SCMP_CMP_EQ") return value === BigInt(arg.value);
    if (arg.op === "SCMP_CMP_LT") return BigInt.asUintN(32, value) < BigInt(arg.value);
    if (arg.op === "SCMP_CMP_GT") return BigInt.asUintN(32, value) > BigInt(arg.value);
    return (value & BigInt(arg.value)) === BigInt(arg.valueTwo ?? 0);
  };
  const matching = rules.syscalls.filter((rule) => rule.names.some((name) => names.includes(name)));
  const rule =
    matching.find(({ args: conditions }) => conditions === undefined) ??
    matching.find(({ args: conditions }) => conditions?.every(holds));
  if (rule === undefined) return EPERM;
  return rule.action === "SCMP_ACT_ALLOW" ? ALLOW : errno(rule.errnoRet ?? 1);
}

test("a filter fits the kernel's limit and every jump stays inside", () => {
  expect(filter.length).toBeLessThan(4096);
  filter.forEach(({ code, jt, jf, k }, at) => {
    expect(jt).toBeLessThanOrEqual(255);
    expect(jf).toBeLessThanOrEqual(255);
    const farthest = code === 0x05 ? k : code === 0x15 || code === 0x35 ? Math.max(jt, jf) : 0;
    expect(at + 1 + farthest).toBeLessThan(filter.length + (code === 0x06 ? 1 : 0));
  });
});

test("ordinary calls are allowed, namespaces, mounts, modules and keys to the host are not", () => {
  for (const name of ["read", "openat", "execve", "chroot", "ptrace", "setresuid", "mknod"]) {
    expect([name, call(name)]).toEqual([name, ALLOW]);
  }
  for (const name of ["unshare", "mount", "setns", "init_module", "reboot", "open_by_handle_at"]) {
    expect([name, call(name)]).toEqual([name, EPERM]);
  }
  /* Keyrings are shared by all containers of a user, so no rule of the profile names these calls at all. */
  for (const number of [248, 249, 250]) expect(runFilter(filter, { arch: X86_64, number })).toBe(EPERM);
});

test("clone is allowed without namespaces, clone3 sends C libraries back to clone", () => {
  expect(call("clone", [0x11n])).toBe(ALLOW);
  expect(call("clone", [0x10000000n | 0x11n])).toBe(EPERM);
  expect(call("clone", [0x00020000n])).toBe(EPERM);
  expect(call("clone3")).toBe(ENOSYS);
});

test("a process with CAP_SYS_ADMIN may make namespaces", () => {
  const admin = compileSeccomp(defaultSeccomp("amd64", ["CAP_SYS_ADMIN"]));
  for (const name of ["clone", "clone3", "unshare", "mount"]) {
    const number = syscallNumbers("SCMP_ARCH_X86_64").get(name) ?? -1;
    expect(runFilter(admin, { arch: X86_64, number, args: [0x7e020000n] })).toBe(ALLOW);
  }
});

test("arguments: personality by value, sockets but for crypto and vsock, also with garbage in the upper half", () => {
  for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn]) {
    expect(call("personality", [value])).toBe(ALLOW);
  }
  for (const value of [1n, 0x40000n, 0x1_0000_0000n]) expect(call("personality", [value])).toBe(EPERM);
  for (const family of [1n, 2n, 37n, 39n, 41n]) expect(call("socket", [family])).toBe(ALLOW);
  for (const family of [38n, 40n, 0x1_0000_0028n]) expect(call("socket", [family])).toBe(EPERM);
});

test("with a network on demand all sockets but local ones wait, and nothing else changes", () => {
  const waiting = compileSeccomp(waitingForNetwork(profile));
  const ask = (name: string, args: readonly bigint[] = [], arch: SeccompArch = "SCMP_ARCH_X86_64"): number =>
    runFilter(waiting, {
      arch: arch === "SCMP_ARCH_X86" ? I386 : X86_64,
      number: syscallNumbers(arch).get(name) ?? -1,
      args,
    });
  for (const family of [0n, 2n, 10n, 16n, 17n, 39n, 44n]) expect(ask("socket", [family])).toBe(WAIT);
  expect(ask("socket", [1n])).toBe(ALLOW);
  for (const family of [38n, 40n, 0x1_0000_0028n]) expect(ask("socket", [family])).toBe(EPERM);
  expect(ask("socket", [2n], "SCMP_ARCH_X86")).toBe(WAIT);
  expect(ask("socketcall", [1n], "SCMP_ARCH_X86")).toBe(WAIT);
  const others = [...syscallNumbers("SCMP_ARCH_X86_64").keys()].filter((name) => name !== "socket");
  for (const name of others) expect([name, ask(name)]).toEqual([name, call(name)]);
});

test("32-bit programs go through the same rules under their own numbers", () => {
  expect(call("unshare", [], "SCMP_ARCH_X86")).toBe(EPERM);
  expect(call("read", [], "SCMP_ARCH_X86")).toBe(ALLOW);
  expect(call("socketcall", [], "SCMP_ARCH_X86")).toBe(ALLOW);
  const x32 = (name: string): number => (syscallNumbers("SCMP_ARCH_X32").get(name) ?? -1) + X32_BIT;
  expect(runFilter(filter, { arch: X86_64, number: x32("execve") })).toBe(ALLOW);
  expect(runFilter(filter, { arch: X86_64, number: x32("unshare") })).toBe(EPERM);
});

test("calls newer than the profile look missing; foreign architectures are killed", () => {
  expect(runFilter(filter, { arch: X86_64, number: 600 })).toBe(ENOSYS);
  expect(runFilter(filter, { arch: X86_64, number: X32_BIT + 600 })).toBe(ENOSYS);
  expect(runFilter(filter, { arch: I386, number: 600 })).toBe(ENOSYS);
  expect(runFilter(filter, { arch: AARCH64, number: 63 })).toBe(KILL);
});

test.each([
  ["SCMP_ARCH_X86_64", "amd64", X86_64, 0],
  ["SCMP_ARCH_X32", "amd64", X86_64, X32_BIT],
  ["SCMP_ARCH_X86", "amd64", I386, 0],
  ["SCMP_ARCH_AARCH64", "arm64", AARCH64, 0],
  ["SCMP_ARCH_ARM", "arm64", ARM, 0],
] as const)("every number of %s gets what the rules say", (arch, machine, audit, base) => {
  const rules = defaultSeccomp(machine, defaultCapabilities);
  const program = compileSeccomp(rules);
  const named = new Set(rules.syscalls.flatMap(({ names }) => names));
  const byNumber = Map.groupBy(
    [...syscallNumbers(arch)].filter(([name]) => named.has(name)),
    ([, number]) => number,
  );
  const last = Math.max(...byNumber.keys());
  for (let number = 0; number <= 700; number++) {
    const names = (byNumber.get(number) ?? []).map(([name]) => name);
    for (const args of [[0n], [38n], [39n], [40n], [0x7e020000n], [0xffffffffffffffffn]]) {
      const verdict = number > last ? ENOSYS : expected(rules, names, args);
      expect([number, runFilter(program, { arch: audit, number: number + base, args })]).toEqual([
        number,
        verdict,
      ]);
    }
  }
});

test("instructions are written as struct sock_filter", () => {
  const bytes = encodeBpf([{ code: 0x15, jt: 1, jf: 2, k: 0xc000003e }]);
  expect(Buffer.from(bytes).toString("hex")).toBe("150001023e0000c0");
});
