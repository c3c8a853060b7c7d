import { expect, test } from "vitest";
import { parseSecurityOpts } from "../src/flags/security-opt.ts";

test("the last profile counts; labels are off anyway", () => {
  expect(parseSecurityOpts([])).toBeUndefined();
  expect(parseSecurityOpts(["label=disable"])).toBeUndefined();
  expect(parseSecurityOpts(["apparmor=a", "label=disable"])).toBe("a");
  expect(parseSecurityOpts(["apparmor=a", "apparmor:unconfined"])).toBe("unconfined");
});

test.each([
  ["apparmor", "names no profile"],
  ["apparmor=", "names no profile"],
  ["apparmor=a\nb", "names no profile"],
  ["label=type:x", "steps get no SELinux label"],
  ["seccomp=unconfined", "docker's default filter"],
  ["no-new-privileges", "su and sudo"],
  ["constructor=1", "such an option is not known"],
])("%j is refused with a reason", (text, reason) => {
  expect(() => parseSecurityOpts([text])).toThrow(reason);
});
