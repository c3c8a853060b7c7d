import { TsbuildError } from "@tsbuild/base";
import { expect, test } from "vitest";
import { exportFailure } from "../src/export.ts";

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: said the system`), { code });
}

test.each([
  ["ENOSPC", "TSB_DISK_FULL", /no space left$/, /^free some space or choose another dest=/],
  ["EDQUOT", "TSB_DISK_FULL", /no space left$/, /^free some space/],
  ["ENOTDIR", "TSB_EXPORT", /said the system/, /^a file is in the way: choose another dest=/],
  ["EACCES", "TSB_EXPORT", /said the system/, /^with ignore-error=true/],
])("%s names the place and says what to type", (code, expected, message, hint) => {
  const failure = exportFailure("local /c", systemError(code));
  expect(failure.code).toBe(expected);
  expect(failure.message).toMatch(/^the cache was not exported to local \/c: /);
  expect(failure.message).toMatch(message);
  expect(failure.hint).toMatch(hint);
});

test("an error with a hint of its own keeps it", () => {
  const own = new TsbuildError("TSB_AUTH", "refused", { hint: "tsbuild login" });
  expect(exportFailure("registry r", own)).toMatchObject({ message: "refused", hint: "tsbuild login" });
});
