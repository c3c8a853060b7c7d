import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../../scripts/bundle.ts";

const scratch = mkdtempSync(join(tmpdir(), "tsbuild-bundle-"));
const dist = join(scratch, "dist");
beforeAll(() => bundle(dist));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs the bundle; `modules` are the built-in modules of Node that were loaded when it ended. */
function run(...args: string[]) {
  const probe = join(scratch, "probe.cjs");
  const list = join(scratch, "modules.json");
  writeFileSync(
    probe,
    `process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify(process.moduleLoadList)));`,
  );
  const program = ["-r", probe, join(dist, "tsbuild.js"), ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, program, { encoding: "utf8", input: "" });
  const loaded = JSON.parse(readFileSync(list, "utf8")) as string[];
  const modules = loaded.filter((name) => name.startsWith("NativeModule ")).map((name) => name.slice(13));
  return { status, stdout, stderr, modules };
}

const files = () => readdirSync(dist).filter((name) => name.endsWith(".js"));
const packs = () =>
  files().flatMap(
    (name) => /^((?:program|image|steps|registry|rest)-[0-9a-f]{12})\.js$/.exec(name)?.[1] ?? [],
  );

test("the bundle is ASCII, and large packages are beside it", () => {
  expect(files()).toEqual(expect.arrayContaining(["ink.js", "chevrotain.js", "layer-worker.js"]));
  for (const name of files()) {
    const text = readFileSync(join(dist, name));
    expect(
      text.every((byte) => byte < 0x80),
      name,
    ).toBe(true);
  }
  for (const pack of packs()) {
    const hasUndici = readFileSync(join(dist, `${pack}.js`), "utf8").includes("undici.error");
    expect(hasUndici, pack).toBe(pack.startsWith("registry-"));
  }
});

test("what a cached build needs is apart, with V8's code of all of it", () => {
  expect(packs().map((name) => name.slice(0, -13))).toEqual([
    "image",
    "program",
    "registry",
    "rest",
    "steps",
  ]);
  const size = (prefix: string) => {
    const name = packs().find((pack) => pack.startsWith(prefix));
    return [statSync(join(dist, `${name}.js`)).size, statSync(join(dist, `${name}.code`)).size] as const;
  };
  const [program, code] = size("program");
  expect(program).toBeLessThan(size("rest")[0]);
  // With the code of functions that ran, not only with that of the top of the file.
  expect(code).toBeGreaterThan(program);
  // Of a registry's client much is never called.
  const [registry, itsCode] = size("registry");
  expect(itsCode).toBeGreaterThan(registry / 4);
});

test("--version loads nothing but itself", () => {
  const { stdout, modules } = run("--version");
  expect(stdout).toMatch(/^tsbuild \d/);
  for (const name of ["crypto", "worker_threads", "sqlite", "http", "child_process"]) {
    expect(modules, name).not.toContain(name);
  }
});

test("--help does without the engine", () => {
  const { stdout, modules } = run("build", "--help");
  expect(stdout).toContain("Usage: tsbuild build");
  for (const name of ["sqlite", "http", "child_process", "zlib"]) expect(modules, name).not.toContain(name);
});

test("the engine is in it; a registry's client is not started to list images", () => {
  const { status, stdout, stderr, modules } = run("images", "--root", join(scratch, "root"));
  expect([status, stderr, stdout]).toEqual([0, "", "REPOSITORY  TAG  IMAGE ID  CREATED  SIZE\n"]);
  expect(modules).toContain("sqlite");
  for (const name of ["http", "https", "http2", "tls"]) expect(modules, name).not.toContain(name);
});

test("the worker thread serves layers", async () => {
  const worker = new Worker(join(dist, "layer-worker.js"), { workerData: { tsbuildWorker: "layer" } });
  const reply = once(worker, "message");
  // No such folder: what matters is that the thread has taken the job and answers.
  worker.postMessage({ type: "pack", job: { folder: join(scratch, "none") } });
  expect(await reply).toEqual([expect.objectContaining({ type: "failed" })]);
  await worker.terminate();
});
