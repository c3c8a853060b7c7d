import { deflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { cargoPackages } from "../src/languages/cargo.ts";
import { type Elf, type ReadAt, readElf } from "../src/languages/elf.ts";
import { goPackages, modulesOf } from "../src/languages/go.ts";
import { BASE, elfFile } from "./elf-file.ts";

const reading =
  (file: Buffer): ReadAt =>
  (offset, length) =>
    file.subarray(offset, offset + length);

function opened(file: Buffer): { readonly elf: Elf; readonly readAt: ReadAt } {
  const readAt = reading(file);
  const elf = readElf(readAt);
  if (elf === undefined) throw new Error("not an ELF file");
  return { elf, readAt };
}

const MODULES = [
  "path\texample.com/app/cmd",
  "mod\texample.com/App\t(devel)\t",
  "dep\tgithub.com/Masterminds/semver/v3\tv3.2.1\th1:abc=",
  "dep\texample.com/old\tv1.0.0\th1:def=",
  "=>\texample.com/new\tv1.0.1\th1:ghi=",
  "dep\texample.com/local\tv1.0.0",
  "=>\t./local\t",
  "build\t-compiler=gc",
  "",
].join("\n");

const marked = Buffer.concat([Buffer.alloc(16, 1), Buffer.from(MODULES), Buffer.alloc(16, 2)]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function blob(flags: number, rest: Buffer): Buffer {
  const header = Buffer.alloc(16);
  header.write("\xff Go buildinf:", 0, "latin1");
  header[14] = 8;
  header[15] = flags;
  return Buffer.concat([header, rest]);
}

const version = Buffer.from("go1.22.5");
const inline = blob(
  2,
  Buffer.concat([Buffer.alloc(16), varint(version.length), version, varint(marked.length), marked]),
);

/** Pointers to string headers, as before Go 1.18; all of it is the program's data. */
function pointed(start: number): Buffer {
  const at = BASE + start;
  const [texts, strings] = [32, 64];
  const data = Buffer.alloc(strings);
  blob(0, Buffer.alloc(0)).copy(data);
  const words = [
    [16, at + texts],
    [24, at + texts + 16],
    [texts, at + strings],
    [texts + 8, version.length],
    [texts + 16, at + strings + version.length],
    [texts + 24, marked.length],
  ] as const;
  for (const [offset, value] of words) data.writeBigUInt64LE(BigInt(value), offset);
  return Buffer.concat([data, version, marked]);
}

const EXPECTED = [
  ["stdlib", "1.22.5"],
  ["example.com/App", ""],
  ["github.com/Masterminds/semver/v3", "v3.2.1"],
  ["example.com/new", "v1.0.1"],
  ["example.com/local", ""],
];

const namesOf = (found: readonly { readonly name: string; readonly version: string }[]) =>
  found.map((one) => [one.name, one.version]);

test("go: modules after the header, with and without a section table", () => {
  for (const sectionTable of [true, false]) {
    const { elf, readAt } = opened(elfFile([{ name: ".go.buildinfo", bytes: inline }], { sectionTable }));
    expect(namesOf(goPackages(elf, readAt, "app"))).toEqual(EXPECTED);
  }
});

test("go: modules behind pointers, as programs before 1.18 have them", () => {
  const bytes = pointed(64 + 56);
  const { elf, readAt } = opened(elfFile([{ name: ".go.buildinfo", bytes }], { sectionTable: true }));
  expect(namesOf(goPackages(elf, readAt, "app"))).toEqual(EXPECTED);
});

test("go: a replacement without a module before it, and lines of other kinds", () => {
  expect(modulesOf("=>\tx\tv1\nfoo\tbar\n\ndep\t\t\n")).toEqual([{ path: "x", version: "v1" }]);
});

test("go: texts that claim to be longer than the file are cut to it", () => {
  const long = blob(
    2,
    Buffer.concat([Buffer.alloc(16), varint(8), version, varint(2 ** 23), marked.subarray(16)]),
  );
  const { elf, readAt } = opened(elfFile([{ name: ".go.buildinfo", bytes: long }], { sectionTable: true }));
  expect(namesOf(goPackages(elf, readAt, "app")).slice(0, 2)).toEqual(EXPECTED.slice(0, 2));
});

test("cargo: crates of the program, without those of its build", () => {
  const list = {
    packages: [
      { name: "serde", version: "1.0.203", source: "crates.io", kind: "runtime" },
      { name: "cc", version: "1.0.0", source: "crates.io", kind: "build" },
      { name: "app", version: "0.1.0", source: "local", root: true },
      "nonsense",
    ],
  };
  const bytes = deflateSync(JSON.stringify(list));
  const { elf, readAt } = opened(elfFile([{ name: ".dep-v0", bytes }], { sectionTable: true }));
  expect(cargoPackages(elf, readAt, "app").map(({ name, version }) => `${name} ${version}`)).toEqual([
    "serde 1.0.203",
    "app 0.1.0",
  ]);
});

test("cargo: a list that unpacks to more than is sensible is an error", () => {
  const bytes = deflateSync(Buffer.alloc(65 * 1024 * 1024));
  const { elf, readAt } = opened(elfFile([{ name: ".dep-v0", bytes }], { sectionTable: true }));
  expect(() => cargoPackages(elf, readAt, "app")).toThrow(/larger than/);
});

test("any bytes changed in the tables of a program: never more than a RangeError", () => {
  const file = elfFile([{ name: ".go.buildinfo", bytes: inline }], { sectionTable: true });
  for (let at = 4; at < file.length; at += at < 200 ? 1 : 7) {
    for (const value of [0, 0x7f, 0xff]) {
      const changed = Buffer.from(file);
      changed[at] = value;
      const readAt = reading(changed);
      try {
        const elf = readElf(readAt);
        if (elf !== undefined) goPackages(elf, readAt, "app");
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  }
});
