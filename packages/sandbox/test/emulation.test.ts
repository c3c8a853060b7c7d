import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPlatform } from "@tsbuild/base";
import { createEmulations, findEmulation, machines } from "@tsbuild/sandbox";
import { expect, onTestFinished, test } from "vitest";
import { binfmtRule, exitProgram } from "../src/emulation/machines.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "tsbuild-emulation-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function machineOf(architecture: string) {
  const found = machines.find((machine) => machine.architecture === architecture);
  if (found === undefined) throw new Error(architecture);
  return found;
}

/** One that no kernel runs by itself and nobody tries. */
const foreign = { ...machineOf("s390x"), architecture: "other", elfMachine: 0x7777, qemu: "qemu-other" };

test("rules are those that qemu's own scripts register", () => {
  // scripts/qemu-binfmt-conf.sh of QEMU, in the bytes that binfmt_misc compares.
  const bytes = (text: string) => [...text.matchAll(/\\x([0-9a-f]{2})/g)].map((found) => found[1]).join(" ");
  const [, name, , , magic = "", mask = "", interpreter, flags] = binfmtRule(machineOf("arm64"), "/q").split(
    ":",
  );
  expect([name, interpreter, flags]).toEqual(["qemu-aarch64", "/q", "FOCP"]);
  expect(bytes(magic)).toBe("7f 45 4c 46 02 01 01 00 00 00 00 00 00 00 00 00 02 00 b7 00");
  expect(bytes(mask)).toBe("ff ff ff ff ff ff ff 00 ff ff ff ff ff ff ff ff fe ff ff ff");
  const big = binfmtRule(machineOf("s390x"), "/q").split(":");
  expect(bytes(big[4] ?? "")).toMatch(/00 02 00 16$/);
  expect(bytes(big[5] ?? "")).toMatch(/ff fe ff ff$/);
});

test("the tiny program of this very machine runs", () => {
  const program = exitProgram(machineOf(hostPlatform().architecture));
  const file = join(folder(), "exit");
  writeFileSync(file, program ?? "", { mode: 0o755 });
  expect(spawnSync(file).status).toBe(0);
});

test("what the kernel was told comes first, if it opened the emulator; else a static one of $PATH", () => {
  const [bin, binfmtFolder] = [folder(), folder()];
  const options = { path: bin, temporaryFolder: folder, binfmtFolder };
  expect(findEmulation(foreign, options)).toEqual({ type: "none" });
  const qemu = join(bin, "qemu-other-static");
  writeFileSync(qemu, "");
  expect(findEmulation(foreign, options)).toEqual({ type: "none" });
  chmodSync(qemu, 0o755);
  expect(findEmulation(foreign, options)).toEqual({ type: "emulator", program: qemu });
  const entry = (flags: string, state = "enabled") =>
    writeFileSync(
      join(binfmtFolder, "any"),
      `${state}\ninterpreter /q\nflags: ${flags}\noffset 0\nmagic 7f454c4602020100000000000000000000027777\nmask ff\n`,
    );
  entry("POC");
  expect(findEmulation(foreign, options)).toEqual({ type: "emulator", program: qemu });
  entry("POCF");
  expect(findEmulation(foreign, options)).toEqual({ type: "kernel" });
  entry("POCF", "disabled");
  expect(findEmulation(foreign, options)).toEqual({ type: "emulator", program: qemu });
});

test("what the kernel was told of is emulated, whatever else it can run", async () => {
  const binfmtFolder = folder();
  const { elfMachine } = machineOf("386");
  writeFileSync(
    join(binfmtFolder, "i386"),
    `enabled\ninterpreter /q\nflags: F\noffset 0\nmagic 7f454c46010101000000000000000000020003${"00"}\nmask ff\n`,
  );
  expect(elfMachine).toBe(3);
  const made = createEmulations({ binary: "/none", path: "", temporaryFolder: folder, binfmtFolder });
  expect(await made.emulation({ os: "linux", architecture: "386" })).toEqual({
    emulator: undefined,
    userNamespace: undefined,
  });
});

test("this machine's own platform needs none; without one the error names what to install, or what stands in the way", async () => {
  const bin = folder();
  const binary = join(bin, "sandbox");
  writeFileSync(binary, "#!/bin/sh\necho 'fsopen binfmt_misc: 19' >&2; exit 126\n", { mode: 0o755 });
  mkdirSync(join(bin, "none"));
  const made = (path: string) =>
    createEmulations({ binary, path, temporaryFolder: folder, binfmtFolder: join(bin, "none") });
  const s390x = { os: "linux", architecture: "s390x" };
  expect(await made("").emulation(hostPlatform())).toBeUndefined();
  await expect(made("").emulation(s390x)).rejects.toMatchObject({
    code: "TSB_SANDBOX",
    message: expect.stringContaining("no static qemu-s390x is installed"),
    hint: expect.stringContaining("apt-get install qemu-user-static"),
  });
  await expect(made("").emulation({ os: "linux", architecture: "vax" })).rejects.toMatchObject({
    message: expect.stringContaining("no emulator of it is known"),
  });
  writeFileSync(join(bin, "qemu-s390x-static"), "", { mode: 0o755 });
  await expect(made(bin).emulation(s390x)).rejects.toMatchObject({
    message: expect.stringContaining("fsopen binfmt_misc: 19"),
    hint: expect.stringContaining("Linux 6.7"),
  });
});
