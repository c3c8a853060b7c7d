import { expect, test } from "vitest";
import { isInstalledNpmPackage, npmPackage } from "../src/languages/npm.ts";
import { isPythonMetadata, pythonPackage } from "../src/languages/python.ts";

test("npm: installed packages and not the files inside them", () => {
  const installed = [
    "app/node_modules/express/package.json",
    "app/node_modules/@types/node/package.json",
    "app/node_modules/a/node_modules/b/package.json",
    "app/node_modules/.pnpm/b@1.0.0/node_modules/b/package.json",
  ];
  const others = [
    "app/package.json",
    "app/node_modules/express/test/package.json",
    "app/node_modules/@types/package.json",
    "app/node_modules/.pnpm/package.json",
    "app/node_modules/package.json",
  ];
  expect(installed.filter((path) => !isInstalledNpmPackage(path))).toEqual([]);
  expect(others.filter(isInstalledNpmPackage)).toEqual([]);
});

test("npm: name, version, and a licence in each of its forms", () => {
  const read = (fields: object) =>
    npmPackage(JSON.stringify({ name: "@s/a", version: "1.0.0", ...fields }), "p");
  expect(read({ license: "MIT", author: { name: "A" }, homepage: "https://a.example" })).toEqual({
    type: "npm",
    name: "@s/a",
    version: "1.0.0",
    licenses: ["MIT"],
    supplier: "A",
    homepage: "https://a.example",
    foundIn: "p",
  });
  expect(read({ license: { type: "ISC" } })?.licenses).toEqual(["ISC"]);
  expect(read({ licenses: [{ type: "MIT" }, { type: "Apache-2.0" }] })?.licenses).toEqual([
    "MIT OR Apache-2.0",
  ]);
  expect(read({ version: 1 })).toBeUndefined();
  expect(npmPackage("[]", "p")).toBeUndefined();
  expect(npmPackage("null", "p")).toBeUndefined();
  expect(() => npmPackage("{", "p")).toThrow(SyntaxError);
});

test("python: the metadata of wheels, of old installs, and nothing else", () => {
  const paths = ["x/a-1.dist-info/METADATA", "x/a.egg-info/PKG-INFO", "x/a-1.egg-info"];
  expect(paths.filter((path) => !isPythonMetadata(path))).toEqual([]);
  expect(["x/METADATA", "x/PKG-INFO", "x/a-1.dist-info/RECORD"].filter(isPythonMetadata)).toEqual([]);
});

test("python: headers, and not what the long text says", () => {
  const text = `Metadata-Version: 2.1
Name: requests
Version: 2.31.0
License: Apache 2.0
Author: Kenneth
Home-page: https://requests.readthedocs.io

Name: other
Version: 9
`;
  expect(pythonPackage(text, "m")).toEqual({
    type: "pypi",
    name: "requests",
    version: "2.31.0",
    licenses: ["Apache 2.0"],
    supplier: "Kenneth",
    homepage: "https://requests.readthedocs.io",
    foundIn: "m",
  });
  const classified = `Name: a\nVersion: 1\nLicense: ${"long ".repeat(100)}\nClassifier: License :: OSI Approved :: MIT License\n`;
  expect(pythonPackage(classified, "m")?.licenses).toEqual(["MIT License"]);
  expect(pythonPackage("Name: a\n", "m")).toBeUndefined();
});
