import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { namespaceGates } from "../src/doctor-namespaces.ts";

describe("gates of namespaces", () => {
  let proc: string;
  beforeAll(() => {
    proc = mkdtempSync(join(tmpdir(), "tsbuild-proc-"));
  });
  afterAll(() => rmSync(proc, { recursive: true }));

  function write(name: string, value: string): void {
    const file = join(proc, "sys", name.replaceAll(".", "/"));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${value}\n`);
  }

  function look(userns: string, isolation: "sandbox" | "chroot" = "sandbox") {
    const gates = namespaceGates({ env: { PATH: "", TSBUILD_USERNS: userns }, proc, isolation });
    return new Map(gates.map((gate) => [gate.name, gate]));
  }

  test.each([
    ["user.max_user_namespaces", "0", "96365", "sysctl -w user.max_user_namespaces=28633"],
    ["kernel.unprivileged_userns_clone", "0", "1", "sysctl -w kernel.unprivileged_userns_clone=1"],
    ["kernel.apparmor_restrict_unprivileged_userns", "1", "0", "apparmor_parser -r /etc/apparmor.d/tsbuild"],
  ])("%s=%s forbids, %s does not, and neither does a kernel without it", (name, forbids, allows, fix) => {
    expect(look("range 1000 ").get(name)).toMatchObject({
      holds: true,
      found: "this kernel has no such setting",
    });
    write(name, forbids);
    const refused = look("range 1000 ").get(name);
    expect(refused).toMatchObject({ holds: false, found: forbids, fallback: "only root builds" });
    expect(refused?.fix).toContain(fix);
    write(name, allows);
    expect(look("range 1000 ").get(name)).toMatchObject({ holds: true, found: allows, fix: "" });
  });

  test("without a namespace a user starts no step, and root of a container takes a chroot with all its ids", () => {
    const user = look("none 1000 unshare: No space left on device");
    expect(user.get("user namespace")).toMatchObject({
      holds: false,
      required: true,
      found: "unshare: No space left on device",
      fallback: "no step runs",
    });
    expect(user.get("subordinate ids")).toMatchObject({ holds: false, fix: "see user namespace" });
    const root = look("none 0 unshare: Operation not permitted", "chroot");
    expect(root.get("user namespace")).toMatchObject({ holds: false, required: false });
    expect(root.get("user namespace")?.fallback).toMatch(/^steps run in a chroot: processes, network/);
    expect(root.get("subordinate ids")).toMatchObject({ holds: true, found: "all that root has here" });
  });
});
