import { describe, expect, test } from "vitest";
import { applyPolicy } from "../src/sources/policy.ts";
import { parsePolicy } from "../src/sources/policy-file.ts";

const IMAGE = "docker-image://docker.io/library/alpine:latest";

function policy(...rules: readonly unknown[]) {
  return parsePolicy(JSON.stringify({ rules }), "policy.json");
}

function applied(identifier: string, ...rules: readonly unknown[]): string {
  return applyPolicy(policy(...rules), { identifier, attrs: {} }).identifier;
}

const deny = (identifier: string, matchType = "WILDCARD") => ({
  action: "DENY",
  selector: { identifier, matchType },
});
const allow = (identifier: string, matchType = "WILDCARD") => ({
  action: "ALLOW",
  selector: { identifier, matchType },
});
const convert = (identifier: string, to: string, matchType = "WILDCARD") => ({
  action: "CONVERT",
  selector: { identifier, matchType },
  updates: { identifier: to },
});

describe("verdicts (X009)", () => {
  test("without a rule that matches, everything is allowed", () => {
    expect(applied(IMAGE, deny("docker-image://docker.io/library/busybox:*"))).toBe(IMAGE);
  });

  test("the last ALLOW or DENY that matches decides", () => {
    expect(applied(IMAGE, deny("*"), allow("docker-image://*"))).toBe(IMAGE);
    expect(() => applied(IMAGE, allow("docker-image://*"), deny("*"))).toThrow(
      `the source policy denies ${IMAGE}`,
    );
  });

  test.each([
    ["EXACT", IMAGE, true],
    ["EXACT", "docker-image://*", false],
    ["WILDCARD", "docker-image://docker.io/*/alpine:*", true],
    ["WILDCARD", "docker-image://docker.io", false],
    ["WILDCARD", "docker-image://docker.io/library/alpine.latest", false],
    // Only the star is special; a URL's query is not.
    ["WILDCARD", "docker-image://docker.io/library/alpine:lates?", false],
    ["WILDCARD", `${IMAGE}*`, true],
    ["REGEX", "alpine:l.test$", true],
    ["REGEX", "^alpine", false],
    ["REGEX", "(?i)ALPINE", true],
  ])("%s %s: %s", (match, identifier, matches) => {
    const run = () => applied(IMAGE, deny(identifier, match));
    if (matches) expect(run).toThrow("denies");
    else expect(run()).toBe(IMAGE);
  });

  test("a name that is written out is meant, though an expression would read it otherwise", () => {
    const url = "https://h/f?a=b+c";
    expect(() => applied(url, deny(url, "REGEX"))).toThrow(`denies ${url}`);
  });

  test("kinds and matches may be numbers, as BuildKit writes them", () => {
    expect(() => applied(IMAGE, { action: 1, selector: { identifier: IMAGE, match_type: 1 } })).toThrow(
      "denies",
    );
  });

  test.each([
    ["EQUAL", "abc", true],
    ["EQUAL", "ab", false],
    ["NOTEQUAL", "ab", true],
    ["NOTEQUAL", "abc", false],
    ["MATCHES", "^a", true],
    ["MATCHES", "^b", false],
  ])("a constraint on an attribute: %s %s", (condition, value, matches) => {
    const constraints = [{ key: "git.checksum", value, condition }];
    const rules = policy({ action: "DENY", selector: { identifier: "git://*", constraints } });
    const run = () => applyPolicy(rules, { identifier: "git://h/r.git", attrs: { "git.checksum": "abc" } });
    if (matches) expect(run).toThrow("denies git://h/r.git");
    else expect(run().identifier).toBe("git://h/r.git");
  });
});

describe("conversions", () => {
  test("groups and wildcards go into the new name", () => {
    const to = "docker-image://mirror.example/";
    expect(applied(IMAGE, convert("docker-image://docker.io/*", `${to}$1`))).toBe(
      `${to}library/alpine:latest`,
    );
    const regex = convert("^docker-image://docker\\.io/library/(\\w+):(\\w+)$", `${to}\${1}-\${2}`, "REGEX");
    expect(applied(IMAGE, regex)).toBe(`${to}alpine-latest`);
  });

  test.each([
    // The first star takes as much as it can, and a star may stand for nothing.
    ["WILDCARD", "docker-image://*/*:*", "$1|$2|$3", "docker.io/library|alpine|latest"],
    ["WILDCARD", `${IMAGE}*`, "docker-image://h/x$1", "docker-image://h/x"],
    // Only what an expression matched is replaced, and all that it matches.
    ["REGEX", "docker\\.io/library", "h", "docker-image://h/alpine:latest"],
    ["REGEX", "a(l|t)", "<${1}>", "docker-image://docker.io/library/<l>pine:l<t>est"],
    ["REGEX", "library/(?P<name>[a-z]+):", "x/${name}$$1:", "docker-image://docker.io/x/alpine$1:latest"],
    ["REGEX", "(alpine)", "$1x.$2", "docker-image://docker.io/library/.:latest"],
    ["EXACT", IMAGE, "http://h/$1", "http://h/$1"],
  ])("%s %s to %s gives %s", (match, identifier, to, expected) => {
    expect(applied(IMAGE, convert(identifier, to, match))).toBe(expected);
  });

  test("the rules are asked again of what came out, and the error names both", () => {
    const rules = [convert(IMAGE, "docker-image://evil/alpine", "EXACT"), deny("docker-image://evil/*")];
    expect(() => applied(IMAGE, ...rules)).toThrow(`denies docker-image://evil/alpine (which was ${IMAGE})`);
  });

  test("attributes are added", () => {
    const updates = { attrs: { "http.checksum": "sha256:1" } };
    const rules = policy({ action: "CONVERT", selector: { identifier: "https://h/f" }, updates });
    const out = applyPolicy(rules, { identifier: "https://h/f", attrs: { "http.filename": "f" } });
    expect(out).toEqual({
      identifier: "https://h/f",
      attrs: { "http.filename": "f", "http.checksum": "sha256:1" },
    });
  });

  test("rules that undo each other end", () => {
    expect(() => applied("a://1", convert("a://*", "b://$1"), convert("b://*", "a://$1"))).toThrow(
      "more than 20 times",
    );
  });
});

describe("bounds", () => {
  test("an expression that backtracks for ever is stopped", () => {
    const started = performance.now();
    const evil = deny("^(a+)+$", "REGEX");
    expect(() => applied(`${"a".repeat(60)}!`, evil)).toThrow("takes longer than 500 ms");
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  test.each([
    ["{", "it is not valid JSON"],
    ["[]", "the policy is not an object"],
    ['{"rulez": []}', 'the policy has an unknown field "rulez"'],
    ['{"rules": [{"action": "FORBID", "selector": {}}]}', 'rules[0].action is "FORBID"'],
    [
      '{"rules": [{"action": "DENY", "selector": {"identifer": "x"}}]}',
      'rules[0].selector has an unknown field "identifer"',
    ],
    ['{"rules": [{"action": "DENY"}]}', "rules[0].selector is not an object"],
    ['{"rules": [{"action": "CONVERT", "selector": {}}]}', "rules[0] is CONVERT and has no updates"],
  ])("%s is refused", (text, why) => {
    expect(() => parsePolicy(text, "policy.json")).toThrow(`policy.json: ${why}`);
  });

  test("an expression that is none is refused", () => {
    expect(() => applied(IMAGE, deny("(", "REGEX"))).toThrow("is not a regular expression");
  });
});
