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

  // Expected values are those of setmode(3), which BuildKit goes by. The sticky bit is where chmod(1) of GNU differs.
  test.each([
    ["u=rwX,go=rX", FILE | 0o600, "644"],
    ["u=rwX,go=rX", FILE | 0o700, "755"],
    ["u=rwX,go=rX", FOLDER | 0o700, "755"],
    ["a+x", FILE | 0o640, "751"],
    ["+x", FILE | 0o640, "751"],
    ["go-rwx", FILE | 0o777, "700"],
    ["u+s", FILE | 0o755, "4755"],
    ["g+s,+t", FOLDER | 0o755, "3755"],
    ["u+t", FOLDER | 0o755, "1755"],
    ["o+t", FOLDER | 0o755, "755"],
    ["go=r", FOLDER | 0o1777, "1744"],
    ["a=rx", FOLDER | 0o5777, "1555"],
    ["a=t", FOLDER | 0o777, "1000"],
    ["=rx", FOLDER | 0o7777, "1555"],
    ["a-t", FOLDER | 0o1777, "777"],
    ["a-x,u+X", FILE | 0o755, "744"],
    ["g=u", FILE | 0o640, "660"],
    ["o=", FILE | 0o777, "770"],
    ["u+r-x", FILE | 0o300, "600"],
  ])("%s", (text, mode, expected) => expect(changed(text, mode)).toBe(expected));

  test("nonsense is refused with what to write", () => {
    expect(() => changed("u=q", FILE)).toThrow(/invalid --chmod "u=q"/);
  });
});
