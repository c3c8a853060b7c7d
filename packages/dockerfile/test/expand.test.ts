import { TsbuildError } from "@tsbuild/base";
import { expandWord, expandWords } from "@tsbuild/dockerfile";
import { describe, expect, it } from "vitest";

const env = new Map([
  ["A", "abcabc"],
  ["EMPTY", ""],
  ["PATH", "/usr/bin:/bin"],
]);

const expand = (word: string) => expandWord(word, env).text;

describe("expansion", () => {
  it.each([
    ["$A", "abcabc"],
    ["${A}x$Ax", "abcabcx"],
    ["${EMPTY:-d}${EMPTY-d}", "d"],
    ["${A:+yes}${NO+no}", "yes"],
    ["${A#a*c}|${A##a*c}|${A%a*}|${A%%a*}", "abc||abc|"],
    ["${A/b/$A}", "aabcabccabc"],
    ["${A//b*/x}", "ax"],
    ["${A//?/.}", "......"],
    ["'$A' \"$A\" \\$A", "$A abcabc $A"],
    ["${PATH//:/ }", "/usr/bin /bin"],
  ])("%s", (word, expected) => {
    expect(expand(word)).toBe(expected);
  });

  it("takes a replacement as text: no references to groups", () => {
    expect(expandWord("${A/b/$R}", new Map([...env, ["R", "$1${0}"]])).text).toBe("a$1${0}cabc");
  });

  it("reports which variables were set and which not", () => {
    const { matched, unmatched } = expandWord("$A ${X:-$Y} $A", env);
    expect([...matched]).toEqual(["A"]);
    expect([...unmatched].sort()).toEqual(["X", "Y"]);
  });

  it("splits what variables bring, not what is quoted", () => {
    const variables = new Map([["V", "a b"]]);
    expect(expandWords("x$V\"$V\" '' c", variables).words).toEqual(["xa", "ba b", "c"]);
  });

  it("splits the same with and without something to resolve", () => {
    for (const text of ["a << b c", "<<-X  d", "<<< e", "x\u00a0y\u0085z"]) {
      expect(expandWords(text, env).words).toEqual(expandWords(`''${text}`, env).words);
    }
  });

  it("has backtick as the other escape character", () => {
    expect(expandWord("C:\\dir\\`$A", env, { escape: "`" }).text).toBe("C:\\dir\\$A");
  });
});

describe("errors", () => {
  it.each([
    ["${}", "has no name"],
    ["${:-x}", "has no name"],
    ["${A", 'missing "}" in "${A": ${A (character 1) is not closed'],
    ["x${A/b}", 'missing "/"'],
    ["${A^^}", 'unsupported modifier "^" after ${A'],
    ["a 'b", "quote ' in \"a 'b\" is not closed (character 3)"],
    ["${NO?}", "NO: is not set"],
    ["${EMPTY:?set it}", "EMPTY: set it"],
    ["${A#\\b}", 'invalid escape "\\b"'],
  ])("%s", (word, message) => {
    expect(() => expand(word)).toThrow(TsbuildError);
    expect(() => expand(word)).toThrow(message);
  });
});

describe("hostile words end soon", () => {
  it("nested too deep", () => {
    expect(() => expand("${a:-".repeat(10_000) + "}".repeat(10_000))).toThrow("more than 100 deep");
    expect(() => expand('"${a:-'.repeat(10_000))).toThrow("more than 100 deep");
  });

  it("nested as deep as allowed", () => {
    expect(expand(`${"${a:-".repeat(100)}x${"}".repeat(100)}`)).toBe("x");
  });

  it("patterns that make backtracking engines run for ever", () => {
    const value = new Map([["A", "a".repeat(20_000)]]);
    expect(expandWord(`\${A//${"*a".repeat(200)}b/x}`, value).text).toHaveLength(20_000);
    expect(() => expandWord(`\${A//${"*a".repeat(20_000)}b/x}`, value)).toThrow("too long");
  });

  it("long", () => {
    expect(expandWords("$A ".repeat(100_000), env).words).toHaveLength(100_000);
  });
});
