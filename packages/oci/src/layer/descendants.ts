import { parentPath } from "./member-path.ts";

/**
 * Paths by the folder that they are in, so that taking away all below one folder costs what is taken: an archive that replaces
 * folder after folder would cost its length squared if each meant a look at every path.
 */
export class Descendants {
  readonly #children = new Map<string, Set<string>>();

  constructor(paths: Iterable<string>) {
    for (const path of paths) this.add(path);
  }

  add(path: string): void {
    const parent = parentPath(path);
    const siblings = this.#children.get(parent);
    if (siblings === undefined) this.#children.set(parent, new Set([path]));
    else siblings.add(path);
  }

  /** Takes `path` away with everything below it, and gives what was below. */
  take(path: string): string[] {
    this.#children.get(parentPath(path))?.delete(path);
    const taken: string[] = [];
    const left = [path];
    for (let folder = left.pop(); folder !== undefined; folder = left.pop()) {
      for (const child of this.#children.get(folder) ?? []) {
        taken.push(child);
        left.push(child);
      }
      this.#children.delete(folder);
    }
    return taken;
  }
}
