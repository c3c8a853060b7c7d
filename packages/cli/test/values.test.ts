import { hostPlatform } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { csvFields } from "../src/flags/csv.ts";
import { checkStdout, parseOutput } from "../src/flags/output.ts";
import {
  commaList,
  keyAndValue,
  oneOf,
  parseAddHost,
  parsePlatform,
  positiveInteger,
} from "../src/flags/values.ts";

describe("--output (C007)", () => {
  test.each([
    ["type=oci,dest=x.tar", { type: "oci", dest: "x.tar", attrs: {} }],
    ["out", { type: "local", dest: "out", attrs: {} }],
    ["-", { type: "tar", dest: "-", attrs: {} }],
    ["type=tar", { type: "tar", dest: "-", attrs: {} }],
    ["type=docker", { type: "docker", dest: undefined, attrs: {} }],
    ["type=docker,dest=-", { type: "docker", dest: "-", attrs: {} }],
    [
      "type=oci,dest=d,tar=false,compression=zstd",
      { type: "oci", dest: "d", attrs: { tar: "false", compression: "zstd" } },
    ],
    [
      "type=image,name=a/b:c,push=true",
      { type: "image", dest: undefined, attrs: { name: "a/b:c", push: "true" } },
    ],
    ["type=image,name=a,name=b", { type: "image", dest: undefined, attrs: { name: "a,b" } }],
    ['type=image,"name=a,b"', { type: "image", dest: undefined, attrs: { name: "a,b" } }],
    ['type=local,"dest=a,b"', { type: "local", dest: "a,b", attrs: {} }],
    ["TYPE=local,dest=a=b", { type: "local", dest: "a=b", attrs: {} }],
  ])("%s", (text, expected) => expect(parseOutput(text)).toEqual(expected));

  test.each([
    ["type=zip", 'unknown type "zip"'],
    ["dest=x", "type= is missing"],
    ["type=local", "dest= must name a folder"],
    ["type=local,dest=-", "dest= must name a folder"],
    ["type=oci,tar=false", "dest= must name a folder"],
    ["type=oci,x", '"x" is not KEY=VALUE'],
    ["type=oci,dest=x,dest=y", "dest= is there twice"],
    ["", "--output is empty"],
    ['type=oci,"dest=x', "quotes do not match"],
  ])("%s is refused", (text, message) => expect(() => parseOutput(text)).toThrow(message));

  test("standard output carries one archive, not on a terminal, not with an image ID", () => {
    const tar = parseOutput("-");
    const pipe = { isTTY: false };
    expect(() => checkStdout([tar], { stdout: pipe }, false)).not.toThrow();
    expect(() => checkStdout([tar], { stdout: { isTTY: true } }, false)).toThrow("not written to a terminal");
    expect(() => checkStdout([tar, tar], { stdout: pipe }, false)).toThrow("only one output");
    expect(() => checkStdout([tar], { stdout: pipe }, true)).toThrow("--quiet");
    expect(() => checkStdout([parseOutput("out")], { stdout: { isTTY: true } }, true)).not.toThrow();
  });
});

test("comma separated values with quotes", () => {
  expect(csvFields('a,"b,c",,"d""e"')).toEqual(["a", "b,c", "", 'd"e']);
  expect(csvFields("a,")).toEqual(["a", ""]);
  expect(() => csvFields('"a"b')).toThrow("quotes do not match");
});

describe("--platform (C006)", () => {
  test.each([
    ["linux/amd64", { os: "linux", architecture: "amd64" }],
    ["linux/x86_64", { os: "linux", architecture: "amd64" }],
    ["Linux/ARM/v7", { os: "linux", architecture: "arm", variant: "v7" }],
    ["aarch64", { os: "linux", architecture: "arm64" }],
    ["linux", hostPlatform()],
    ["local", hostPlatform()],
  ])("%s", (text, expected) => expect(parsePlatform(text)).toEqual(expected));
  test.each(["", "a/b/c/d", "linux/", "li nux/amd64"])("%j is refused", (text) => {
    expect(() => parsePlatform(text)).toThrow("is not a platform");
  });
});

test.each([
  ["db:10.0.0.1", { host: "db", ip: "10.0.0.1" }],
  ["db=10.0.0.1", { host: "db", ip: "10.0.0.1" }],
  ["db:[2001:db8::1]", { host: "db", ip: "2001:db8::1" }],
  ["db=2001:db8::1", { host: "db", ip: "2001:db8::1" }],
  ["me:host-gateway", { host: "me", ip: "host-gateway" }],
])("--add-host %s (C020)", (text, expected) => expect(parseAddHost(text)).toEqual(expected));

test("small values", () => {
  expect(() => parseAddHost("db")).toThrow("is not NAME:IP");
  expect(() => parseAddHost("db:x y")).toThrow("is not NAME:IP");
  expect(keyAndValue("--build-arg", "A=")).toEqual(["A", ""]);
  expect(keyAndValue("--build-arg", "A")).toEqual(["A", undefined]);
  expect(() => keyAndValue("--build-arg", "=b")).toThrow("the name is missing");
  expect(commaList(["a, b", "", "c,"])).toEqual(["a", "b", "c"]);
  expect(positiveInteger("--jobs", "4")).toBe(4);
  for (const text of ["0", "-1", "1.5", "x", ""])
    expect(() => positiveInteger("--jobs", text)).toThrow("--jobs");
  expect(() => oneOf("--network", "bridge", ["none", "host"])).toThrow('unknown value "bridge"');
});
