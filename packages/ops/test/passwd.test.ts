import { describe, expect, test } from "vitest";
import { findGroup, findUid, findUser, groupsOf, toId } from "../src/exec/passwd.ts";

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
  test("numbers that are no ids do not count: the kernel takes them for no change, or for root", () => {
    const hostile = "stays:x:4294967295:1::/:\nwraps:x:4294967296:1::/:\nlast:x:4294967294:1::/:\n";
    expect(["stays", "wraps", "last"].map((name) => findUser(hostile, name)?.uid)).toEqual([
      undefined,
      undefined,
      4294967294,
    ]);
    expect(findGroup("stays:x:4294967295:\n", "stays")).toBeUndefined();
    expect(toId("4294967295")).toBeUndefined();
  });
  test("supplementary groups", () => {
    expect(groupsOf(group, "alice")).toEqual([50, 10]);
    expect(groupsOf(group, "ali")).toEqual([]);
    expect(findGroup(group, "staff")).toBe(50);
  });
});
