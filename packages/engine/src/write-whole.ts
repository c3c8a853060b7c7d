import { realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { errnoCode } from "@tsbuild/base";

/** True for what must not be replaced by a file: /dev/stdout, a pipe, a descriptor below /proc. */
async function isSpecial(path: string): Promise<boolean> {
  try {
    return !(await stat(path)).isFile();
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** A link is written through. */
async function realTarget(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return path;
    throw error;
  }
}

/** Replaces a small file, whose readers see what was there or all of the new. Rejects with TSB_EXPORT or TSB_DISK_FULL, naming it. */
export async function writeWhole(path: string, text: string): Promise<void> {
  let temporary: string | undefined;
  try {
    if (await isSpecial(path)) {
      await writeFile(path, text);
      return;
    }
    const target = await realTarget(path);
    temporary = `${target}.${process.pid}.tmp`;
    await writeFile(temporary, text);
    await rename(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true });
    const { exportFailure } = await import("@tsbuild/export");
    throw exportFailure(error, path);
  }
}
