import { looksSecret } from "@tsbuild/base";
import { describe, expect, test } from "vitest";
import { parseGitReference } from "../src/git-source.ts";
import { duration, quotedList } from "../src/go-format.ts";
import { parseMode } from "../src/instructions/mode.ts";
import { ownerOf } from "../src/instructions/owner.ts";
import { inlineOptions, parseCheckOptions } from "../src/lint/check-options.ts";
import { destinationPath, hasWildcard, neededPaths } from "../src/paths.ts";
import { formatFullPlatform, normalizePlatform, parsePlatform } from "../src/platform.ts";

describe("platforms", () => {
  test.each([
    ["linux/amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["Linux/AArch64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64/v8"],
    ["linux/arm64/9", "linux/arm64/v9"],
    ["linux/arm", "linux/arm"],
    ["linux/arm/7", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["i386", "linux/386"],
    ["s390x", "linux/s390x"],
    ["windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"],
    ["macos/arm64", "darwin/arm64"],
  ])("%s is read as %s", (text, expected) => {
    expect(formatFullPlatform(parsePlatform(text))).toBe(expected);
  });

  test("are normalised: linux/arm means v7, arm64/v8 is just arm64", () => {
    expect(normalizePlatform(parsePlatform("linux/arm"))).toMatchObject({ variant: "v7" });
    expect(normalizePlatform(parsePlatform("linux/arm64/v8")).variant).toBeUndefined();
  });

  test.each(["", "linux(%z)/amd64", "bogus", "linux/", "linux/a b", "li nux/amd64", "a/b/c/d"])(
    "%j is refused",
    (text) => {
      expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: "TSB_DOCKERFILE" }));
    },
  );
});

describe("texts of histories", () => {
  test("quote as Go does", () => {
    expect(quotedList(["a b", 'q"\\', "\n\x01", "é\u{1f600}", "\u200b", "\u{e0001}"])).toBe(
      String.raw`["a b" "q\"\\" "\n\x01" "é😀" "\u200b" "\U000e0001"]`,
    );
    expect(quotedList([])).toBe("[]");
  });

  test.each([
    [0, "0s"],
    [30e9, "30s"],
    [90e9, "1m30s"],
    [3600e9, "1h0m0s"],
    [5.5e9, "5.5s"],
    [250e6, "250ms"],
    [1500, "1.5µs"],
    [7, "7ns"],
  ])("show %d ns as %s", (nanoseconds, expected) => {
    expect(duration(nanoseconds)).toBe(expected);
  });
});

describe("git references", () => {
  test.each([
    [
      "https://h/r.git#v1:dir/../sub",
      { remote: "https://h/r.git", ref: "v1", subdir: "sub", scheme: "https" },
    ],
    [
      "git@h:o/r.git#main",
      { remote: "git@h:o/r.git", ref: "main", scheme: "ssh", host: "h", path: "o/r.git" },
    ],
    [
      "https://u:tok@h/o/r.git?ref=x&subdir=y",
      { remote: "https://u:tok@h/o/r.git", host: "h", path: "/o/r.git", ref: "x", subdir: "y" },
    ],
    ["git@h:o/r.git?subdir=d#v1:d", { remote: "git@h:o/r.git", ref: "v1", subdir: "d" }],
    ["ssh://git@h:22/o/r", { remote: "ssh://git@h:22/o/r", scheme: "ssh", host: "h:22" }],
    ["https://h/r.git?tag=v1&subdir=d&submodules=0", { ref: "refs/tags/v1", subdir: "d", submodules: false }],
    [
      "https://h/r.git?branch=b&commit=abc&fetch-by-commit",
      { ref: "refs/heads/b", checksum: "abc", fetchByCommit: true },
    ],
    ["github.com/o/r", { looksLocal: true, remote: "github.com/o/r" }],
  ])("%s", (text, expected) => {
    expect(parseGitReference(text)).toMatchObject(expected);
  });

  test.each(["https://h/r", "./git@h:r", "dir/file", "http://h/x.git.tar", "https://h/r.git#%zz", "a@b"])(
    "%s is none",
    (text) => {
      expect(parseGitReference(text)).toBeUndefined();
    },
  );

  test.each([
    "https://h/r.git?ref=a&ref=b",
    "https://h/r.git?tag=a&branch=b",
    "https://h/r.git?commit=abc&checksum=abd",
    "https://h/r.git#x?ref=y&what=z",
    "https://h/r.git?mtime=now",
  ])("%s is refused or read as one reference", (text) => {
    // A `?` behind `#` belongs to the fragment: that one is a valid, if odd, reference.
    if (text.includes("#")) expect(parseGitReference(text)).toMatchObject({ ref: "x?ref=y&what=z" });
    else expect(() => parseGitReference(text)).toThrow(expect.objectContaining({ code: "TSB_DOCKERFILE" }));
  });
});

describe("words of instructions", () => {
  test.each([
    ["root", { user: 0 }],
    ["1000", { user: 1000 }],
    ["bob:staff", { user: "bob", group: "staff" }],
    ["1:", { user: 1, group: 0 }],
    ["99999999999:0", { user: "99999999999", group: 0 }],
  ])("owner %s", (text, expected) => {
    expect(ownerOf(text)).toEqual(expected);
  });

  test("modes are octal or symbolic", () => {
    expect(parseMode("0755")).toBe(0o755);
    expect(parseMode("u=rwX,go=rX")).toBe("u=rwX,go=rX");
    expect(parseMode("+x")).toBe("+x");
    for (const wrong of ["8", "10000", "rw", "u=q", "", "u=r,"]) expect(() => parseMode(wrong)).toThrow();
  });

  test.each([
    ["/w", ".", "/w/"],
    ["/w", "", "/w/"],
    ["/w", "a/", "/w/a/"],
    ["/w", "a/.", "/w/a/."],
    ["/w", "../a", "/a"],
    ["/", "../../a", "/a"],
    ["/w", "/abs/", "/abs/"],
  ])("in %s the destination %j is %s", (workdir, path, expected) => {
    expect(destinationPath(workdir, path)).toBe(expected);
  });

  test("wildcards count only unescaped", () => {
    expect(["a*", "a?", "[a]", "a\\*", "a"].map(hasWildcard)).toEqual([true, true, true, false, false]);
  });

  test("everything is needed as soon as the root is", () => {
    expect(neededPaths(new Set(["/b", "/a/c"]))).toEqual(["a/c", "b"]);
    expect(neededPaths(new Set(["/b", "/"]))).toEqual([]);
  });
});

describe("checks", () => {
  test("options are read from a directive and from comments", () => {
    expect(parseCheckOptions("skip=A, B;error=true")).toMatchObject({
      skip: new Set(["A", "B"]),
      fail: true,
    });
    expect(inlineOptions(["text", "check=skip=A;experimental=all"])).toMatchObject({
      skip: new Set(["A"]),
      experimentalAll: true,
    });
    expect(inlineOptions(["check=nonsense"])).toBeUndefined();
    for (const wrong of ["skip", "error=maybe", "other=1"]) expect(() => parseCheckOptions(wrong)).toThrow();
  });

  test("names of secrets", () => {
    const names = ["API_KEY", "github_token", "PASSWORD", "KEYBOARD", "PUBLIC_KEY", "TOKEN_FILE", "monkey"];
    expect(names.filter(looksSecret)).toEqual(["API_KEY", "github_token", "PASSWORD"]);
  });
});
