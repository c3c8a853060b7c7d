import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCli } from "../src/cli.ts";
import type { CommandIo } from "../src/io.ts";
import { FakeStream } from "./fake-io.ts";

const ugly = "from  debian\nrun   true\n";
const neat = "FROM debian\nRUN true\n";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tsbuild-fmt-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function write(name: string, text: string): Promise<string> {
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

async function fmt(args: readonly string[], input = "") {
  const stdout = new FakeStream();
  const stderr = new FakeStream();
  const io: CommandIo = {
    stdin: (async function* () {
      yield input;
    })(),
    stdout,
    stderr,
    env: {},
    openEngine: () => Promise.reject(new Error("fmt needs no engine")),
    signal: new AbortController().signal,
    forwardSignals: () => {},
    isQuiet: () => false,
  };
  const status = await runCli(["fmt", ...args], io);
  return { status, stdout: stdout.text, stderr: stderr.text };
}

test("rewrites in place, with the permissions it had, and names what it changed", async () => {
  const [first, second] = [await write("a", ugly), await write("b", neat)];
  await chmod(first, 0o640);
  expect(await fmt([first, second])).toEqual({ status: 0, stdout: `${first}\n`, stderr: "" });
  expect(await readFile(first, "utf8")).toBe(neat);
  expect((await stat(first)).mode & 0o777).toBe(0o640);
  expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
});

test("a symbolic link stays one", async () => {
  const file = await write("a", ugly);
  await symlink("a", join(folder, "link"));
  await fmt([join(folder, "link")]);
  expect(await readFile(file, "utf8")).toBe(neat);
});

test("--check changes nothing and ends with 1", async () => {
  const [first, second] = [await write("a", ugly), await write("b", neat)];
  expect(await fmt(["--check", first, second])).toEqual({ status: 1, stdout: `${first}\n`, stderr: "" });
  expect(await readFile(first, "utf8")).toBe(ugly);
  expect((await fmt(["--check", second])).status).toBe(0);
});

test("--stdout and - print the text", async () => {
  const file = await write("a", ugly);
  expect((await fmt(["--stdout", file])).stdout).toBe(neat);
  expect(await readFile(file, "utf8")).toBe(ugly);
  expect((await fmt(["-"], ugly)).stdout).toBe(neat);
});

test("files that cannot be formatted are all reported, the others are formatted", async () => {
  const [bad, good] = [await write("bad", "FROM x\nRUN [1]\n"), await write("good", ugly)];
  const { status, stderr } = await fmt([bad, join(folder, "none"), good]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/bad:2:5[\s\S]*strings only[\s\S]*there is no such file/);
  expect(await readFile(good, "utf8")).toBe(neat);
  expect(await readFile(bad, "utf8")).toBe("FROM x\nRUN [1]\n");
});

test("flags that make no sense together", async () => {
  expect((await fmt(["--check", "--stdout", "a"])).status).toBe(2);
  expect((await fmt(["--stdout", "a", "b"])).status).toBe(2);
});
