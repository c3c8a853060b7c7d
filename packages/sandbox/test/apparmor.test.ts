import {
  chrootPlan,
  compilePlan,
  DEFAULT_PROFILE,
  defaultProfileText,
  toRuntimeSpec,
} from "@tsbuild/sandbox";
import { describe, expect, test } from "vitest";
import { checkProfile, parseProfiles, profileOf } from "../src/apparmor.ts";
import { execSpec, host } from "./support/spec.ts";

const profiles = [
  { name: "docker-default", mode: "enforce" },
  { name: "other (with brackets)", mode: "complain" },
];
const enabled = { ...host, apparmor: { profiles } };
const withDefault = {
  ...host,
  apparmor: { profiles: [...profiles, { name: DEFAULT_PROFILE, mode: "enforce" }] },
};
const untold = { ...host, apparmor: { profiles: undefined } };

test("the kernel's list: names may hold blanks and brackets", () => {
  expect(parseProfiles("docker-default (enforce)\nother (with brackets) (complain)\n")).toEqual(profiles);
});

describe("which profile", () => {
  test("the default one where it is loaded, and no one else's", () => {
    expect(profileOf(execSpec(), host)).toBeUndefined();
    expect(profileOf(execSpec(), enabled)).toBeUndefined();
    expect(profileOf(execSpec(), untold)).toBeUndefined();
    expect(profileOf(execSpec(), withDefault)).toBe(DEFAULT_PROFILE);
  });

  test("one that was asked for, known or not; an insecure step and `unconfined` have none", () => {
    expect(profileOf(execSpec({ apparmorProfile: "mine" }), host)).toBe("mine");
    expect(profileOf(execSpec({ apparmorProfile: "unconfined" }), withDefault)).toBeUndefined();
    expect(profileOf(execSpec({ security: "insecure" }), withDefault)).toBeUndefined();
    expect(profileOf(execSpec({ security: "insecure", apparmorProfile: "mine" }), enabled)).toBeUndefined();
  });

  test("what cannot be entered is said before the step", () => {
    const mine = execSpec({ apparmorProfile: "mine" });
    expect(() => checkProfile(mine, host)).toThrow(
      'steps cannot enter the AppArmor profile "mine": AppArmor is off',
    );
    expect(() => checkProfile(mine, enabled)).toThrow(
      expect.objectContaining({
        message: 'no AppArmor profile "mine" is loaded',
        hint: "as root: apparmor_parser -r FILE; loaded: docker-default, other (with brackets)",
      }),
    );
    for (const machine of [host, enabled, withDefault]) checkProfile(execSpec(), machine);
    checkProfile(mine, untold);
    checkProfile(execSpec({ apparmorProfile: "docker-default" }), enabled);
  });
});

test("the spec names it as runtimes want it; the plan notes it in the command's process, before the filter", () => {
  const spec = toRuntimeSpec(execSpec({ apparmorProfile: "mine" }), enabled);
  expect(spec.process.apparmorProfile).toBe("mine");
  const { ops } = compilePlan(spec, { host: enabled, cgroupFiles: [] });
  const names = ops.map(({ op }) => op);
  expect(names.indexOf("apparmor")).toBeGreaterThan(names.indexOf("fork"));
  expect(names.indexOf("apparmor")).toBeLessThan(names.indexOf("seccomp"));
  expect(ops).toContainEqual({ op: "apparmor", profile: "mine" });
});

test("a chroot has no /proc that can be trusted: no profile", () => {
  expect(chrootPlan(execSpec(), withDefault, []).ops.map(({ op }) => op)).not.toContain("apparmor");
});

test("the text that is to be loaded is of that name, and lets tsbuild's signals in", () => {
  expect(defaultProfileText).toContain(`\nprofile ${DEFAULT_PROFILE} flags=(`);
  expect(defaultProfileText).toMatch(/^ {2}signal \(receive\) peer=unconfined,$/m);
  expect(defaultProfileText).toMatch(/^ {2}deny mount,$/m);
});
