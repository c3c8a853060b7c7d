import { expect, test } from "vitest";
import { deviceFilter } from "../src/device-filter.ts";
import { deviceRules } from "../src/device-group.ts";
import { runDeviceFilter } from "./support/ebpf.ts";

const [BLOCK, CHARACTER] = [1, 2];
const [MAKE, READ, WRITE] = [1, 2, 4];

test("one rule, instruction by instruction", () => {
  const hex = Buffer.from(deviceFilter(["c 1:3 rw"]))
    .toString("hex")
    .match(/.{16}/g);
  expect(hex).toEqual([
    "6112000000000000", // r2 = *(u32 *)(r1 + 0)
    "bf23000000000000", // r3 = r2
    "57020000ffff0000", // r2 &= 0xffff: the type
    "7703000010000000", // r3 >>= 16: what is asked for
    "6114040000000000", // r4 = the major number
    "6115080000000000", // r5 = the minor number
    "5502070002000000", // if r2 != 2 goto +7: no character device
    "5504060001000000", // if r4 != 1 goto +6
    "5505050003000000", // if r5 != 3 goto +5
    "bf30000000000000", // r0 = r3
    "5700000006000000", // r0 &= read and write
    "5d30020000000000", // if r0 != r3 goto +2: something else is asked for
    "b700000001000000", // r0 = 1
    "9500000000000000", // exit
    "b700000000000000", // r0 = 0
    "9500000000000000", // exit
  ]);
});

test("the program answers as the rules say, for every access of every device around them", () => {
  const program = deviceFilter(deviceRules);
  const allows = (type: number, major: number, minor: number, access: number): boolean =>
    deviceRules.some((rule) => {
      const [, kind, majors, minors, letters = ""] = /^(.) (.+):(.+) (.+)$/.exec(rule) ?? [];
      const mask = [...letters].reduce(
        (sum, letter) => sum | { m: MAKE, r: READ, w: WRITE }[letter as "m"],
        0,
      );
      const number = (text: string | undefined, value: number) => text === "*" || Number(text) === value;
      return (
        (kind === "c" ? CHARACTER : BLOCK) === type &&
        number(majors, major) &&
        number(minors, minor) &&
        (access & ~mask) === 0
      );
    });
  for (const type of [BLOCK, CHARACTER])
    for (const major of [0, 1, 4, 5, 8, 10, 135, 136, 137, 254, 0xfffff])
      for (let minor = 0; minor < 12; minor++)
        for (let access = 1; access < 8; access++)
          expect([
            type,
            major,
            minor,
            access,
            runDeviceFilter(program, { type, major, minor, access }),
          ]).toEqual([type, major, minor, access, allows(type, major, minor, access)]);
});

test("a rule that is none is refused", () => {
  expect(() => deviceFilter(["a *:* rwm"])).toThrow("not a device rule");
});
