import { existsSync, mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and those above it; one that is there stays as it is. As `mkdir -p` and not as Node's own `recursive`, which takes every
 * ENOENT for a missing parent and so never ends below /proc, where nothing can be made in folders that are there. Errors are the system's.
 */
export function makeFolders(path: string, mode?: number): void {
  const folder = resolve(path);
  try {
    mkdirSync(folder, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return;
    if (code !== "ENOENT" || existsSync(dirname(folder))) throw error;
    makeFolders(dirname(folder), mode);
    makeFolders(folder, mode);
  }
}
