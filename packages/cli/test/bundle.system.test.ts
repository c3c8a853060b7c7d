import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

test("the bundle is ASCII, with a warmed compile cache, and large packages are beside it", () => {
  for (const name of ["tsbuild", "undici", "ink", "chevrotain", "layer-worker"]) {
    const text = readFileSync(join(dist, `${name}.js`));
    expect(
      text.every((byte) => byte < 0x80),
      name,
    ).toBe(true);
  }
  expect(readFileSync(join(dist, "tsbuild.js"), "utf8")).not.toContain("undici.error");
  expect(existsSync(join(dist, ".cache"))).toBe(true);
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
  expect([status, stderr, stdout]).toEqual([0, "", "NAME  IMAGE ID  CREATED  SIZE\n"]);
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
