import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPlatform } from "@tsbuild/base";
import { elfProgram, findEmulation, machines } from "@tsbuild/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { missing, ociRuntime, World } from "./world.ts";

const arm = machines.find(({ architecture }) => architecture === "arm64");

function emulator(): string | undefined {
  if (ociRuntime() !== undefined) return "runtimes leave programs of other machines to the kernel";
  if (hostPlatform().architecture !== "amd64" || arm === undefined) return "they emulate arm64 on amd64";
  const made: string[] = [];
  const temporaryFolder = () => {
    made.push(mkdtempSync(join(tmpdir(), "tsbuild-emulation-")));
    return made.at(-1) ?? "";
  };
  const found = findEmulation(arm, { path: process.env["PATH"] ?? "", temporaryFolder });
  for (const folder of made) rmSync(folder, { recursive: true });
  return found.type === "none" ? "qemu-aarch64-static is not installed" : undefined;
}

const reason = missing() ?? emulator();
if (reason !== undefined) console.log(`skipped: steps for other machines: ${reason}`);

function program(...code: readonly (number | string)[]): Uint8Array {
  const bytes = code.flatMap((part) =>
    typeof part === "string"
      ? [...Buffer.from(`${part}\0`)]
      : [...new Uint8Array(Uint32Array.of(part).buffer)],
  );
  if (arm === undefined) throw new Error("no arm64");
  return elfProgram(arm, Uint8Array.from(bytes));
}

const SVC = 0xd4000001;
/** uname(sp), write(1, machine, 7), exit(0). */
const uname = program(
  ...[0xd10643ff, 0x910003e0, 0xd2801408, SVC],
  ...[0xd2800020, 0x910413e1, 0xd28000e2, 0xd2800808, SVC],
  ...[0xd2800ba8, 0xd2800000, SVC],
);
/** execve("/uname"), else exit(1). */
const start = program(
  ...[0x10000100, 0xd2800001, 0xd2800002, 0xd2801ba8, SVC],
  ...[0xd2800020, 0xd2800ba8, SVC, "/uname"],
);

describe.skipIf(reason !== undefined)("a step for another machine (B021)", () => {
  let world: World;
  beforeAll(() => {
    world = new World();
  });
  afterAll(() => world.close());

  test("runs, and so does what it starts; the machine is left as it was, and it is said once that this is slow", async () => {
    const binfmt = () => readdirSync("/proc/sys/fs/binfmt_misc");
    const before = binfmt();
    const folder = world.context("foreign", {
      Dockerfile: 'FROM scratch\nCOPY --chmod=755 uname start /\nRUN ["/start"]\nUSER 7:7\nRUN ["/start"]\n',
      uname,
      start,
    });
    const built = await world.build(folder, "--platform=linux/arm64", "-t", "foreign", "--progress=plain");
    expect(built.match(/ aarch64$/gm)).toHaveLength(2);
    expect(built.match(/by emulation/g)).toHaveLength(1);
    expect(binfmt()).toEqual(before);
    expect(await world.inside("foreign", "/start")).toBe("aarch64");
  });

  test("without an emulator says what to install, at its line", async () => {
    const folder = world.context("unknown", {
      Dockerfile: 'FROM scratch\nCOPY uname /\nRUN ["/uname"]\n',
      uname,
    });
    const { code, stderr } = await world.tsbuild(["build", "--platform=linux/s390x", folder], {
      env: { PATH: "/nowhere" },
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/>>> RUN \["\/uname"\]/);
    expect(stderr).toMatch(/no static qemu-s390x is installed[\s\S]*qemu-user-static/);
  });
});
