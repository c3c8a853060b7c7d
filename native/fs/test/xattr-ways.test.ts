/** Attributes are listed by a call that young kernels have, and without it over /proc: one walk either way. */
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decodeTree, nativeFs } from "../src/index.ts";
import { applyOps, openRoot, owner, temporaryFolder } from "./fixture.ts";

const LISTXATTRAT = 465;
const [EPERM, ENOSYS] = [1, 38];
const index = join(import.meta.dirname, "../src/index.ts");

/** Prints the walk in hex. */
const WALK = `
const [, index, folder] = process.argv;
const { nativeFs } = await import(index);
const walk = await nativeFs.walk(nativeFs.openFolder(folder), "", { xattrs: true });
process.stdout.write(walk.toString("hex"));
`;

function walkWithout(refuse: string, folder: string, errno: number): string {
  const node = [process.execPath, "--input-type=module", "-e", WALK, index, folder];
  return execFileSync(refuse, [String(LISTXATTRAT), String(errno), ...node], { encoding: "utf8" });
}

test("a kernel or a sandbox without listxattrat tells the same", async () => {
  const folder = temporaryFolder();
  const root = openRoot(folder);
  const many = Array.from({ length: 40 }, (_, i) => ({
    name: `user.a-name-that-takes-its-room-${String(i).padStart(2, "0")}`,
    value: Buffer.from([i]),
  }));
  const node = { existing: "replace", mtimeNs: 0n, mode: 0o755, ...owner } as const;
  await applyOps(
    root,
    { type: "folder", path: "few", xattrs: many.slice(0, 1), ...node },
    { type: "file", path: "many", data: Buffer.from("x"), xattrs: many, ...node },
  );
  mkdirSync(join(folder, "none"));
  writeFileSync(join(folder, "none/file"), "");
  symlinkSync("many", join(folder, "link"));
  const walk = await nativeFs.walk(root, "", { xattrs: true });
  const counts = [...decodeTree(walk)].map(({ path, xattrs }) => [path, xattrs?.length ?? 0]);
  expect(counts).toEqual([
    ["", 0],
    ["few", 1],
    ["link", 0],
    ["many", 40],
    ["none", 0],
    ["none/file", 0],
  ]);
  const refuse = join(temporaryFolder(), "refuse-call");
  execFileSync("cc", ["-o", refuse, join(import.meta.dirname, "refuse-call.c")]);
  for (const errno of [ENOSYS, EPERM]) expect(walkWithout(refuse, folder, errno)).toBe(walk.toString("hex"));
});
