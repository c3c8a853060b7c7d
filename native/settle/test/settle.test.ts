/** The program that stays after tsbuild, under sanitizers. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WARNINGS } from "../../compile.ts";
import { DEFINES, SOURCES } from "../build.ts";

const SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

describe("tsbuild-settle", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-settle-"));
  const program = join(folder, "settle");
  beforeAll(() => {
    execFileSync("cc", [...WARNINGS, ...SANITIZERS, ...DEFINES, "-o", program, ...SOURCES], {
      stdio: "inherit",
    });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function base(name: string): string {
    const made = join(folder, name);
    mkdirSync(join(made, "syncs"), { recursive: true });
    mkdirSync(join(made, "trash/one/deep/er"), { recursive: true });
    writeFileSync(join(made, "trash/one/deep/file"), "");
    writeFileSync(join(made, "trash/two"), "");
    writeFileSync(join(made, "syncs/a.begun"), "{}");
    return made;
  }

  /** By a process that ends at once: the program waits for that. */
  function settle(made: string, mark: string): number | null {
    return spawnSync("/bin/sh", ["-c", '"$1" "$2" < .', "sh", program, mark], { cwd: made, stdio: "ignore" })
      .status;
  }

  test("tells that all is on the disk, and empties the trash", async () => {
    const made = base("all");
    expect(settle(made, "syncs/a")).toBe(0);
    await expect.poll(() => readdirSync(join(made, "syncs")), { timeout: 10_000 }).toEqual(["a.done"]);
    await expect.poll(() => readdirSync(join(made, "trash")), { timeout: 10_000 }).toEqual([]);
  });

  test("empties the trash alone", async () => {
    const made = base("trash");
    expect(settle(made, "")).toBe(0);
    await expect.poll(() => readdirSync(join(made, "trash")), { timeout: 10_000 }).toEqual([]);
    expect(readdirSync(join(made, "syncs"))).toEqual(["a.begun"]);
  });

  test.for([
    ["without a trash", "syncs/a"],
    ["for a mark that is too long", `syncs/${"a".repeat(5000)}`],
    ["for a mark that is not there", "syncs/b"],
  ] as const)("ends %s", async ([, mark]) => {
    const made = base(`odd-${mark.length}`);
    rmSync(join(made, "trash"), { recursive: true });
    expect(settle(made, mark)).toBe(0);
    const held = (): boolean => spawnSync("pgrep", ["-f", `^${program} `]).status === 0;
    await expect.poll(held, { timeout: 10_000 }).toBe(false);
    expect(readdirSync(made)).toEqual(["syncs"]);
  });

  test("begins when whoever started it has ended", async () => {
    const made = base("later");
    const input = openSync(made, "r");
    const starter = spawn("/bin/sh", ["-c", '"$1" syncs/a; read x <&3', "sh", program], {
      stdio: [input, "ignore", "inherit", "pipe"],
    });
    closeSync(input);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(existsSync(join(made, "syncs/a.begun"))).toBe(true);
    starter.kill("SIGKILL");
    await expect.poll(() => readdirSync(join(made, "syncs")), { timeout: 10_000 }).toEqual(["a.done"]);
  });

  test("wants one argument", () => {
    expect(spawnSync(program, [], { stdio: "ignore" }).status).toBe(2);
  });
});
