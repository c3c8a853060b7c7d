import { describe, expect, it } from "vitest";
import { leadsOut } from "../src/tree/copy.ts";

describe("links of a tree that is copied out of an untrusted one", () => {
  it.each([
    ["a", "b"],
    ["a", "./b/c"],
    ["d/a", "../b"],
    ["d/e/a", "../../b/c"],
    ["d/a", ".."],
  ])("%s -> %s stays inside", (path, target) => {
    expect(leadsOut(path, target)).toBe(false);
  });

  it.each([
    ["a", "/etc/shadow"],
    ["a", ".."],
    ["a", "./../b"],
    ["d/a", "../../b"],
    // d may be a link to where .. leads out.
    ["x/y/a", "d/../b"],
  ])("%s -> %s may lead out", (path, target) => {
    expect(leadsOut(path, target)).toBe(true);
  });
});
