import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { measureLayer, type PackedLayer, packLayer } from "@tsbuild/oci";
import { collect } from "./bytes.ts";

/** Not /tmp: a tmpfs there has no user xattrs before Linux 6.6. */
export function workFolder(): { readonly path: string; make(name: string): string; remove(): void } {
  const path = mkdtempSync("/var/tmp/tsbuild-oci-");
  return {
    path,
    make: (name) => {
      mkdirSync(join(path, name));
      return join(path, name);
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** Runs a script of bash in a folder; fails the test when it fails. */
export function shell(folder: string, script: string): string {
  return execFileSync("bash", ["-euc", script], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Calls `work` with an open folder. */
export async function withRoot<T>(folder: string, work: (root: number) => Promise<T>): Promise<T> {
  const root = nativeFs.openFolder(folder);
  try {
    return await work(root);
  } finally {
    nativeFs.close(root);
  }
}

export function pack(folder: string): Promise<{ readonly tar: Buffer; readonly layer: PackedLayer }> {
  return withRoot(folder, async (root) => {
    const measured = measureLayer(packLayer(root, { fs: nativeFs }));
    const tar = await collect(measured.stream);
    return { tar, layer: measured.result() };
  });
}

/** Why tests that need real mounts cannot run here; undefined: they can. */
export const missing =
  process.getuid?.() === 0 ? undefined : "they need root (mknod, overlay mounts, file capabilities)";
