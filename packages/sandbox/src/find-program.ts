import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** The first program of one of these names in the absolute folders of $PATH, all names in a folder before the next folder. */
export function findProgram(names: readonly string[], path: string): string | undefined {
  const folders = path.split(delimiter).filter((folder) => folder.startsWith("/"));
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    /* Missing or not for us: the next folder may have one. */
    return false;
  }
}
