import { expect, test } from "vitest";
import { freeIdRange, subordinateIdsHint } from "../src/user-namespace.ts";

test("the range that somebody is told to take is nobody's", () => {
  expect(freeIdRange("", "")).toBe("100000-165535");
  expect(freeIdRange("a:100000:65536\nb:165536:65536\n", "c:300000:1000\nbroken\n")).toBe("301000-366535");
});

test("who has a range and no program that maps it is not told to take another", () => {
  expect(subordinateIdsHint({ uid: 1000, reason: "newuidmap: not installed" })).toContain("see newuidmap");
  const hint = subordinateIdsHint({ uid: 1000, reason: "/etc/subuid: no range for this user" });
  expect(hint).toMatch(/^as root: usermod --add-subuids (\d+-\d+) --add-subgids \1 \$\(id -nu 1000\)$/);
});
