import { describe, expect, test } from "vitest";
import { findGroup, findUid, findUser, groupsOf } from "../src/exec/passwd.ts";

const passwd =
  "# comment\nroot:x:0:0:root:/root:/bin/sh\nbroken:x:one:1::/:\nalice:x:1000:1001::/home/alice:/bin/sh\n\n";
const group = "root:x:0:\nstaff:x:50:bob,alice\nwheel:x:10:alice\n";

describe("passwd and group", () => {
  test("by name and by number", () => {
    expect(findUser(passwd, "alice")).toEqual({ name: "alice", uid: 1000, gid: 1001, home: "/home/alice" });
    expect(findUid(passwd, 0)?.home).toBe("/root");
    expect(findUser(passwd, "nobody")).toBeUndefined();
  });
  test("lines that are no entries do not count", () => expect(findUser(passwd, "broken")).toBeUndefined());
  test("supplementary groups", () => {
    expect(groupsOf(group, "alice")).toEqual([50, 10]);
    expect(groupsOf(group, "ali")).toEqual([]);
    expect(findGroup(group, "staff")).toBe(50);
  });
});
