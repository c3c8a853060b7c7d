import { expect, test } from "vitest";
import { failureOfRuntime, OnlyWords } from "../src/oci-failure.ts";

/** The status of a step that printed these chunks and ended with `code`; all of them were passed on. */
function statusAfter(code: number, stderr: readonly string[], stdout: readonly string[] = []): number {
  const passed: string[] = [];
  const take = (chunk: Uint8Array): void => void passed.push(Buffer.from(chunk).toString());
  const words = new OnlyWords({ stdout: take, stderr: take, signal: new AbortController().signal });
  for (const text of stdout) words.io.stdout(Buffer.from(text));
  for (const text of stderr) words.io.stderr(Buffer.from(text));
  expect(passed).toEqual([...stdout, ...stderr]);
  return words.statusOfInit(code);
}

test("a program that the kernel does not execute ends as a shell has it, by the words of the runtime's init", () => {
  expect(statusAfter(1, ["exec /s: no such file or directory\n"])).toBe(127);
  expect(statusAfter(255, ["exec /with space: ", "no such file or directory\n"])).toBe(127);
  expect(statusAfter(1, ["exec /usr/bin/foreign: exec format error\n"])).toBe(126);
  expect(statusAfter(255, ["exec /s: permission denied"])).toBe(126);
});

test("what a command printed itself changes nothing of its status", () => {
  const words = "exec /s: no such file or directory\n";
  expect(statusAfter(2, [words])).toBe(2);
  expect(statusAfter(0, [words])).toBe(0);
  expect(statusAfter(1, [words], ["out"])).toBe(1);
  expect(statusAfter(1, ["before\n", words])).toBe(1);
  expect(statusAfter(1, [words, "after\n"])).toBe(1);
  expect(statusAfter(1, [])).toBe(1);
  expect(statusAfter(1, ["exec /s: argument list too long\n"])).toBe(1);
  expect(statusAfter(1, [`exec /${"s".repeat(5000)}: no such file or directory\n`])).toBe(1);
});

test("what a runtime could not do is told as the native sandbox tells it", () => {
  const hintOf = (message: string) => failureOfRuntime("runc", [message], 1).hint;
  const start = "runc run failed: unable to start container process:";
  expect(hintOf(`${start} unable to setup user: invalid argument`)).toContain("usermod --add-subuids");
  expect(hintOf("setresuid to 1000: Invalid argument")).toContain("usermod --add-subuids");
  const limit =
    "error setting rlimits for ready process: error setting rlimit type 7: operation not permitted";
  expect(hintOf(`${start} error during container init: ${limit}`)).toContain("own hard limit");
  expect(hintOf("cgroup: hybrid mode is not supported")).toContain("--oci-runtime=runc");
  expect(hintOf(`${start} something else: permission denied`)).toBeUndefined();
});
