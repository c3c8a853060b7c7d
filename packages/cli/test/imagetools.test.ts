import { expect, test } from "vitest";
import { parseIndexAnnotation } from "../src/commands/imagetools.ts";

test.each([
  ["a=b=c", { scope: "index", key: "a", value: "b=c" }],
  ["index:a=", { scope: "index", key: "a", value: "" }],
  [
    "manifest-descriptor[linux/arm64]:a=b",
    { scope: "manifest-descriptor", platform: "linux/arm64", key: "a", value: "b" },
  ],
])("an annotation: %s", (text, expected) => expect(parseIndexAnnotation(text)).toMatchObject(expected));

test.each(["a", "=b", "index[linux/arm64]:a=b"])("is no annotation: %s", (text) =>
  expect(() => parseIndexAnnotation(text)).toThrow(/is not \[SCOPE:\]KEY=VALUE/),
);
