/** Build contexts that look random and are the same for a seed: odd names, links, modes, old times, archives. */
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { type Member, tarOf } from "../e2e/tar.ts";
import type { Random } from "../fuzz/support/random.ts";

const NAMES = ["a", "b.txt", "c.js", "d d", "sub", "lib", "x.tar", "README.md", ".hid", "e_1", "node", "src"];
const FILE_MODES = [0o644, 0o600, 0o755, 0o444, 0o4755, 0o666, 0o2755];
const FOLDER_MODES = [0o755, 0o700, 0o1777, 0o775];
const SIZES = [0, 1, 10, 100, 5000];
const MAX_DEPTH = 3;

/** Time of a context's own folder, in seconds; nothing in it has the same. */
export const CONTEXT_TIME_S = 1_640_000_000;

/** Seconds. Long ago: what a build makes is told apart by its time. */
function someTime(random: Random): number {
  return 1_500_000_000 + random.below(100_000_000);
}

function someBytes(random: Random, size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, () => random.below(256)));
}

/** Different names, at most all of them. */
function someNames(random: Random): string[] {
  return NAMES.map((name) => ({ name, at: random.below(1_000_000) }))
    .sort((a, b) => a.at - b.at)
    .slice(0, 2 + random.below(5))
    .map(({ name }) => name);
}

function makeFile(random: Random, path: string): void {
  writeFileSync(path, someBytes(random, random.pick(SIZES)));
  chmodSync(path, random.pick(FILE_MODES));
}

/** A second name for a file of the same folder, where there is one. */
function makeHardLink(random: Random, folder: string, path: string): void {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  if (files.length > 0) linkSync(join(folder, random.pick(files).name), path);
  else makeFile(random, path);
}

function makeEntry(random: Random, folder: string, name: string, depth: number): void {
  const path = join(folder, name);
  const kind = random.below(100);
  if (kind < 25 && depth < MAX_DEPTH) makeTree(random, path, depth + 1);
  else if (kind < 40) symlinkSync(random.pick(["a", "b.txt", "sub", ".", "lib"]), path);
  else if (kind < 46) mkdirSync(path);
  else if (kind < 50) makeHardLink(random, folder, path);
  else makeFile(random, path);
}

function makeTree(random: Random, folder: string, depth: number): void {
  mkdirSync(folder, { recursive: true });
  for (const name of someNames(random)) makeEntry(random, folder, name, depth);
}

/** Fresh: what was there is gone. */
export function makeContext(random: Random, folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  makeTree(random, folder, 0);
  writeFileSync(join(folder, "arch.tar"), makeArchive(random));
  writeFileSync(join(folder, "arch.tgz"), gzipSync(makeArchive(random)));
}

const MEMBERS: readonly Member[] = [
  { name: "f", data: "f" },
  { name: "d/f", data: "in d", mode: 0o4755 },
  { name: "./g", data: "g", mode: 0o600 },
  { name: "d/", type: "folder", mode: 0o755 },
  { name: "e/h", data: "in e" },
  { name: "up/../z", data: "z" },
  { name: "s", type: "symlink", target: "f" },
];

function makeArchive(random: Random): Buffer {
  return tarOf(random.many(1, 6, () => random.pick(MEMBERS)));
}

/** Paths below a folder, sorted. Links to folders are not followed, as `readdir` with `recursive` does. */
export function pathsOf(folder: string, at = ""): string[] {
  const entries = readdirSync(join(folder, at), { withFileTypes: true });
  return entries
    .flatMap((entry) => {
      const path = join(at, entry.name);
      return entry.isDirectory() ? [path, ...pathsOf(folder, path)] : [path];
    })
    .sort();
}

/** Gives all of a context old times; modes of folders, too. Last: whatever is made in a folder moves its time. */
export function ageContext(random: Random, folder: string): void {
  for (const path of pathsOf(folder).reverse()) {
    const at = join(folder, path);
    const time = someTime(random);
    const stat = lstatSync(at);
    if (stat.isDirectory()) chmodSync(at, random.pick(FOLDER_MODES));
    if (stat.isSymbolicLink()) lutimesSync(at, time, time);
    else utimesSync(at, time, time);
  }
  utimesSync(folder, CONTEXT_TIME_S, CONTEXT_TIME_S);
}
