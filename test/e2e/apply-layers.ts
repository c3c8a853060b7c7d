/** What the image specification says of applying layers, done by GNU tar and these few lines: none of tsbuild's own code. */
import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { runOk } from "./world.ts";

const SLASH = Buffer.from("/");
const WHITEOUT = Buffer.from(".wh.");
const OPAQUE = Buffer.from(".wh..wh..opq");

/** Names are bytes: they need not be text. */
function below(folder: Buffer, name: Buffer): Buffer {
  return Buffer.concat([folder, SLASH, name]);
}

function isFolder(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function remove(path: Buffer): void {
  rmSync(path, { recursive: true, force: true });
}

/** A folder with the same entries and no attributes: tar adds a member's to those that are there. */
function renew(folder: Buffer): void {
  const fresh = Buffer.concat([folder.subarray(0, folder.lastIndexOf("/")), Buffer.from("/.renewed")]);
  mkdirSync(fresh, { mode: 0o700 });
  for (const name of readdirSync(folder, { encoding: "buffer" }))
    renameSync(below(folder, name), below(fresh, name));
  rmdirSync(folder);
  renameSync(fresh, folder);
}

/** Takes from `root` what stands in the way of the entries of the layer unpacked at `layer`. */
function makeRoom(layer: Buffer, root: Buffer): void {
  for (const name of readdirSync(layer, { encoding: "buffer" })) {
    const [from, to] = [below(layer, name), below(root, name)];
    if (isFolder(from) && isFolder(to)) {
      renew(to);
      makeRoom(from, to);
    } else remove(to);
  }
}

/** Performs one `.wh.` member. */
function hide(member: Buffer, root: Buffer): void {
  const at = member.lastIndexOf("/");
  const [folder, name] = [below(root, member.subarray(0, Math.max(at, 0))), member.subarray(at + 1)];
  if (!name.equals(OPAQUE)) remove(below(folder, name.subarray(WHITEOUT.length)));
  else if (isFolder(folder))
    for (const child of readdirSync(folder, { encoding: "buffer" })) remove(below(folder, child));
}

const ESCAPES: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };

/** A name between quotes as in C. */
function unquote(line: string): Buffer {
  const bytes = line.slice(1, -1).matchAll(/\\(\d{3})|\\(.)|(.)/g);
  return Buffer.from(
    [...bytes].map(([, octal, escaped, plain]) => {
      if (octal !== undefined) return Number.parseInt(octal, 8);
      return ESCAPES[escaped ?? ""] ?? (escaped ?? plain ?? "").charCodeAt(0);
    }),
  );
}

const TAR = [
  "--numeric-owner",
  "--same-owner",
  "-p",
  "--xattrs",
  "--xattrs-include=*",
  "--warning=no-timestamp",
];

/** Applies an uncompressed layer to a root filesystem. `scratch`: a folder that does not exist yet. */
export async function applyLayer(tar: string, root: string, scratch: string): Promise<void> {
  const { stdout } = await runOk("tar", ["--quoting-style=c", "-tf", tar], { env: { LC_ALL: "C" } });
  const members = stdout.split("\n").filter((line) => line !== "");
  mkdirSync(scratch);
  await runOk("tar", ["-C", scratch, ...TAR, "--exclude=.wh.*", "-xf", tar]);
  makeRoom(Buffer.from(scratch), Buffer.from(root));
  const marks = members.map(unquote).filter((name) => /(?:^|\/)\.wh\.[^/]*$/s.test(name.toString("latin1")));
  for (const mark of marks) hide(mark, Buffer.from(root));
  await runOk("tar", ["-C", root, ...TAR, "--exclude=.wh.*", "-xf", tar]);
}
