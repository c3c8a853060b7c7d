import { expect, test } from "vitest";
import { gateText } from "../src/commands/doctor.ts";

const gate = { name: "overlay", required: false, found: "x", fallback: "copies", fix: "type this" };

test("a gate that holds is one line", () => {
  expect(gateText({ ...gate, holds: true })).toBe("ok     overlay: x\n");
});

test("a closed gate says what happens without it and what to type", () => {
  const below = "       without it: copies\n       to have it: type this\n";
  expect(gateText({ ...gate, holds: false })).toBe(`no     overlay: x\n${below}`);
  expect(gateText({ ...gate, holds: false, required: true })).toBe(`FAILS  overlay: x\n${below}`);
});
