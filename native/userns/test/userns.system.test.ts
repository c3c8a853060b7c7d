/** The program that a normal user's tsbuild is started by, under sanitizers: its readers with damaged files, and what it hands on. */
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WARNINGS } from "../../compile.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const source = join(here, "../userns.c");
const SANITIZERS = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

const TEXTS = {
  subuid: "root:100000:65536\nalice:165536:65536\n1000:231072:65536\nalice:1:0\nbob:7:7\n",
  passwd: "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:,,,:/home/alice:/bin/sh\n",
  uid_map: "         0       1000          1\n         1     165536      65536\n",
};

/** Checks without which the readers would go too far or say what is not so: the fuzzer has to miss each. */
const CHECKS = [
  " && ranges->count < MAX_RANGES",
  "if (range.count > 0) ",
  "count == NULL || *owner == '\\0' || ",
  " && length < size) {",
];

const cannot =
  process.getuid?.() !== 0 || !existsSync("/usr/bin/setpriv") ? "needs root and setpriv" : undefined;
if (cannot !== undefined) console.warn(`skipped: tsbuild-userns under sanitizers: ${cannot}`);

describe.skipIf(cannot !== undefined)("tsbuild-userns", () => {
  const folder = mkdtempSync(join(tmpdir(), "tsbuild-userns-"));
  const program = join(folder, "userns");

  function compile(output: string, ...args: readonly string[]): void {
    execFileSync("cc", [...WARNINGS, ...SANITIZERS, "-o", output, ...args], { stdio: "inherit" });
  }
  beforeAll(() => {
    chmodSync(folder, 0o755);
    compile(program, source);
    compile(join(folder, "mutate"), "-Wno-unused-function", join(here, "mutate-ids.c"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each(Object.entries(TEXTS))("its readers survive damaged files: %s", (_, text) => {
    const seed = `${Date.now()}`;
    console.info(`seed ${seed}`);
    const { status, stderr } = spawnSync(join(folder, "mutate"), [seed, "20000"], {
      input: text,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test.each(CHECKS)("a reader without a check is found out: %s", (check) => {
    const text = readFileSync(source, "utf8");
    expect(text).toContain(check);
    writeFileSync(join(folder, "userns.c"), text.replace(check, check.endsWith("{") ? ") {" : ""));
    const fuzzer = readFileSync(join(here, "mutate-ids.c"), "utf8").replace("../userns.c", "userns.c");
    writeFileSync(join(folder, "weak.c"), fuzzer);
    compile(join(folder, "weak"), "-Wno-unused-function", "-Wno-error", join(folder, "weak.c"));
    const many = `${"0 0 65536\n".repeat(400)}${TEXTS.subuid}${"1000:1:1\n".repeat(60)}`;
    const { status, stderr } = spawnSync(join(folder, "weak"), ["1", "20000"], {
      input: many,
      encoding: "utf8",
    });
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/AddressSanitizer|runtime error|broken:/);
  });

  /* Leaks do not matter to a program that ends or becomes another; the checker needs ptrace, which a namespace denies. */
  const run = (uid: number, ...args: string[]) =>
    spawnSync("setpriv", [`--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", program, ...args], {
      encoding: "utf8",
      env: { PATH: "/usr/bin:/bin", ASAN_OPTIONS: "detect_leaks=0" },
    });

  test("root with all rights gets nothing new, a user without subordinate ids is root alone", () => {
    expect(run(0, "sh", "-c", "echo ${TSBUILD_USERNS-none}; id -u").stdout).toBe("none\n0\n");
    const user = run(54_321, "sh", "-c", "echo $TSBUILD_USERNS; id -u; wc -l < /proc/self/uid_map");
    expect(user.stderr).toBe("");
    expect(user.stdout).toMatch(/^(single|none) 54321 \/etc\/subuid: no range for this user\n/);
    if (user.stdout.startsWith("single")) expect(user.stdout).toMatch(/\n0\n1\n$/);
  });

  test("programs that are missing, and none", () => {
    expect(run(0, "no-such-program")).toMatchObject({
      status: 127,
      stderr: "tsbuild-userns: no-such-program: No such file or directory\n",
    });
    expect(run(0)).toMatchObject({ status: 2, stderr: "usage: tsbuild-userns PROGRAM ARG…\n" });
  });
});
