import { TsbuildError } from "@tsbuild/base";
import { expect, test } from "vitest";
import { parseUnset } from "../src/flags/unset.ts";

function hintOf(text: string): string | undefined {
  try {
    parseUnset(text);
  } catch (error) {
    if (error instanceof TsbuildError) return error.hint;
    throw error;
  }
  throw new Error("expected a failure");
}

test("fields with and without names, separated by commas", () => {
  expect(parseUnset('env:X,volume:/y,expose:80/udp,"label:a,b",CMD')).toEqual([
    { field: "env", name: "X" },
    { field: "volume", name: "/y" },
    { field: "expose", name: "80/udp" },
    { field: "label", name: "a,b" },
    { field: "cmd" },
  ]);
});

test("mistakes say what to type", () => {
  expect(hintOf("evn:X")).toBe("did you mean env?");
  expect(hintOf("env")).toBe("env:NAME");
  expect(hintOf("cmd:x")).toBe("cmd");
  expect(hintOf("zzzzzzz")).toContain("entrypoint");
});
