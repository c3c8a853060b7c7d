import { describe, expect, test } from "vitest";
import { parseCache } from "../src/flags/cache.ts";

describe("--cache-from and --cache-to", () => {
  test.each([
    ["reg.example/app:cache", { type: "registry", attrs: { ref: "reg.example/app:cache" } }],
    ["type=local,dest=out,mode=max", { type: "local", attrs: { dest: "out", mode: "max" } }],
    ['type=s3,"name=a;b"', { type: "s3", attrs: { name: "a;b" } }],
    ["Type=inline", { type: "inline", attrs: {} }],
  ])("%s", (text, request) => expect(parseCache("--cache-to", text)).toEqual(request));

  test.each([
    ["", "--cache-to is empty"],
    ["ref,mode=max", '--cache-to ref,mode=max: "ref" is not KEY=VALUE'],
    ["ref=a", "--cache-to ref=a: type= is missing"],
  ])("%j is refused", (text, message) => expect(() => parseCache("--cache-to", text)).toThrow(message));
});
