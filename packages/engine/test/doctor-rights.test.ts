import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_PROFILE } from "@tsbuild/sandbox";
import { afterAll, describe, expect, test } from "vitest";
import { appArmorGate, mapperGate } from "../src/doctor-rights.ts";

const folder = mkdtempSync(join(tmpdir(), "tsbuild-mappers-"));
afterAll(() => rmSync(folder, { recursive: true }));

function gateOf(mode: number, report: { got: "range" | "single"; reason: string }) {
  for (const name of ["newuidmap", "newgidmap"]) {
    writeFileSync(join(folder, name), "");
    chmodSync(join(folder, name), mode);
  }
  return mapperGate({ PATH: folder }, { uid: 1000, ...report });
}

describe("the programs that map ids", () => {
  test("work whatever makes them", () => {
    expect(gateOf(0o755, { got: "range", reason: "" })).toMatchObject({ holds: true, found: "map ids" });
  });

  test("are not blamed when nobody tried them", () => {
    const report = { got: "single", reason: "/etc/subuid: no range for this user" } as const;
    expect(gateOf(0o755, report)).toMatchObject({ holds: true, found: "installed" });
  });

  test("that refused are told apart by their bit", () => {
    const report = { got: "single", reason: "newgidmap: refused" } as const;
    const without = gateOf(0o755, report);
    expect(without.found).toBe(`${folder}/newgidmap has no set-user-ID bit, nor capabilities that work`);
    expect(without.fix).toContain("setcap cap_setgid=ep");
    const withBit = gateOf(0o4755, report);
    expect(withBit.found).toBe(
      `${folder}/newgidmap refuses to map the ranges of /etc/subuid and /etc/subgid`,
    );
    expect(withBit.fix).toContain("nosuid");
  });
});

describe("AppArmor", () => {
  test("off: nothing is missing, and nothing is claimed", () => {
    expect(appArmorGate({})).toMatchObject({ holds: true, found: expect.stringContaining("no profile") });
  });

  test("on: the default profile with its mode, or how to load it", () => {
    const loaded = [{ name: DEFAULT_PROFILE, mode: "complain" }];
    expect(appArmorGate({ apparmor: { profiles: loaded } }).found).toBe(
      `steps enter ${DEFAULT_PROFILE} (complain)`,
    );
    const missing = appArmorGate({ apparmor: { profiles: [] } });
    expect(missing).toMatchObject({ holds: false, fix: expect.stringContaining("apparmor_parser -r") });
    expect(appArmorGate({ apparmor: { profiles: undefined } })).toMatchObject({ holds: false });
  });
});
