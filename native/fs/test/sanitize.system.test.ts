import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { encodeTreeOps, type TreeOp } from "../src/index.ts";
import { owner, temporaryFolder } from "./fixture.ts";

const run = promisify(execFile);
const core = join(import.meta.dirname, "../core");
const driver = join(import.meta.dirname, "sanitize");

const FLAGS = [
  ...["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Werror"],
  ...["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"],
];

/** One op of each type, with every optional part: the seed that is damaged. */
function seedBatch(): Buffer {
  const node = { existing: "replace", mtimeNs: 1_234_567_890n, makeParents: true, ...owner } as const;
  const xattrs = [
    { name: "user.one", value: Buffer.from("1") },
    { name: "user.two", value: Buffer.alloc(40) },
  ];
  const ops: TreeOp[] = [
    { type: "folder", path: "f/folder", mode: 0o755, xattrs, ...node },
    { type: "file", path: "f/file", data: Buffer.from("data"), mode: 0o644, xattrs, ...node },
    { type: "copy", path: "f/copy", from: "f/file", mode: 0o600, ...node },
    { type: "move", path: "f/moved", from: "f/copy", mode: 0o640, xattrs, ...node },
    { type: "symlink", path: "f/link", target: "folder", ...node },
    { type: "hardlink", path: "f/hard", to: "f/file", existing: "copy" },
    { type: "node", path: "f/fifo", kind: "fifo", major: 0, minor: 0, mode: 0o600, ...node },
    { type: "times", path: "f/folder", mtimeNs: -5n, existing: "replace" },
    { type: "opaque", path: "f/folder", userxattr: true, existing: "replace" },
    { type: "remove", path: "f/hard", existing: "replace" },
    { type: "file", path: "f/link/inside", data: Buffer.alloc(0), mode: 0o4755, ...node },
  ];
  return encodeTreeOps(ops);
}

async function compile(output: string): Promise<string | undefined> {
  // These only pass bytes on to libraries inside the Node binary, which does not load this program.
  const inNode = ["sha256.c", "compress.c", "inflate.c"];
  const units = readdirSync(core).filter((name) => name.endsWith(".c") && !inNode.includes(name));
  const own = readdirSync(driver).filter((name) => name.endsWith(".c"));
  const sources = [...units.map((name) => join(core, name)), ...own.map((name) => join(driver, name))];
  try {
    await run("cc", [...FLAGS, ...sources, "-o", output]);
    return undefined;
  } catch (error) {
    const text = String((error as { stderr?: string }).stderr);
    if (/cannot find.*(asan|ubsan)/.test(text)) return "the compiler has no sanitizer libraries";
    throw error;
  }
}

test("the core is clean under AddressSanitizer and UBSan, with random batches too", async (context) => {
  const folder = temporaryFolder();
  const program = join(folder, "driver");
  const reason = await compile(program);
  if (reason !== undefined) context.skip(reason);
  mkdirSync(`${folder}/tree`);
  writeFileSync(`${folder}/batch`, seedBatch());
  const seed = String(Date.now());
  const { stdout } = await run(program, [`${folder}/tree`, seed, "2000", `${folder}/batch`], {
    env: { ...process.env, ASAN_OPTIONS: "detect_leaks=1" },
  }).catch((error: Error) => {
    throw new Error(`seed ${seed}: ${error.message}`);
  });
  expect(stdout).toBe("clean\n");
}, 300_000);
