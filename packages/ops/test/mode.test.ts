import { describe, expect, test } from "vitest";
import { modeChange } from "../src/file/mode.ts";

const FILE = 0o100000;
const FOLDER = 0o040000;

function changed(text: string, mode: number): string {
  return (modeChange(-1, text)?.(mode) ?? Number.NaN).toString(8);
}

describe("--chmod", () => {
  test("nothing asked keeps the source's mode", () => expect(modeChange(-1, "")).toBeUndefined());
  test("octal", () => expect(modeChange(0o4755, "")?.(FILE | 0o600).toString(8)).toBe("4755"));

  // Expected values are those of chmod(1) of GNU coreutils.
  test.each([
    ["u=rwX,go=rX", FILE | 0o600, "644"],
    ["u=rwX,go=rX", FILE | 0o700, "755"],
    ["u=rwX,go=rX", FOLDER | 0o700, "755"],
    ["a+x", FILE | 0o640, "751"],
    ["+x", FILE | 0o640, "751"],
    ["go-rwx", FILE | 0o777, "700"],
    ["u+s", FILE | 0o755, "4755"],
    ["g+s,o+t", FOLDER | 0o755, "3755"],
    ["g=u", FILE | 0o640, "660"],
    ["o=", FILE | 0o777, "770"],
    ["u+r-x", FILE | 0o300, "600"],
  ])("%s", (text, mode, expected) => expect(changed(text, mode)).toBe(expected));

  test("nonsense is refused with what to write", () => {
    expect(() => changed("u=q", FILE)).toThrow(/invalid --chmod "u=q"/);
  });
});
