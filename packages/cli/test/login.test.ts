import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRegistry } from "@tsbuild/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import { fakeWorld } from "./fake-io.ts";

describe("login", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tsbuild-login-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function cli(
    args: readonly string[],
    stdin?: string,
  ): Promise<{ status: number; out: string; err: string }> {
    const env = {
      DOCKER_CONFIG: folder,
      TSBUILD_CONFIG: join(folder, "none.json"),
      PATH: process.env["PATH"],
    };
    const world = fakeWorld({ env, ...(stdin === undefined ? {} : { stdin }) });
    const status = await runCli(args, world);
    return { status, out: world.stdout.text, err: world.stderr.text };
  }

  test("keeps what else is in the file, and the file to its owner", async () => {
    const registry = await startRegistry();
    const path = join(folder, "config.json");
    writeFileSync(path, JSON.stringify({ auths: { other: { auth: "eDp5" } }, proxies: {} }), { mode: 0o644 });
    const { status, err } = await cli(["login", "-u", "me", "--password-stdin", registry.host], "pass\n");
    expect(err).toBe("");
    expect(status).toBe(0);
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
      auths: { other: { auth: "eDp5" }, [registry.host]: { auth: "bWU6cGFzcw==" } },
      proxies: {},
    });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await cli(["logout", registry.host])).out).toContain("logged out");
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({ auths: { other: {} } });
    expect((await cli(["logout", registry.host])).out).toContain("not logged in");
    await registry.close();
  });

  test("gives the password to the helper that the file names", async () => {
    const registry = await startRegistry();
    const helper = join(folder, "docker-credential-fake");
    writeFileSync(helper, `#!/bin/sh\ncat > ${folder}/$1\n`, { mode: 0o755 });
    writeFileSync(join(folder, "config.json"), JSON.stringify({ credsStore: "fake" }));
    const path = process.env["PATH"];
    process.env["PATH"] = `${folder}:${path}`;
    const { err } = await cli(["login", "-u", "me", "--password-stdin", registry.host], "pass\n");
    process.env["PATH"] = path;
    expect(err).toBe("");
    const stored = { ServerURL: registry.host, Username: "me", Secret: "pass" };
    expect(JSON.parse(readFileSync(join(folder, "store"), "utf8"))).toEqual(stored);
    expect(readFileSync(join(folder, "config.json"), "utf8")).not.toContain("pass");
    await registry.close();
  });

  test("needs a name and the password on standard input", async () => {
    const { status, err } = await cli(["login", "registry.example.com"]);
    expect(status).toBe(2);
    expect(err).toContain("--password-stdin registry.example.com");
  });
});
