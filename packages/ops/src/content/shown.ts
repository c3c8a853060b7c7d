import type { NativeFs } from "@tsbuild/native-fs";
import type { SourceTree } from "../tree.ts";
import { isFolder } from "./locate.ts";
import { exceptionsOf } from "./skip.ts";

/** Which paths are a part of a tree: the ignore file of a context leaves some out. */
export type Visible = (path: string, folder: boolean) => boolean;

/**
 * A folder that is left out is there all the same when it holds something that an exception leaves in (`*`, then `!src/main`: there is a
 * `src`), as it is in what BuildKit's client sends.
 */
export class Shown {
  readonly #fs: NativeFs;
  readonly #tree: SourceTree;
  readonly #visible: Visible;
  #mayHoldExceptions: ((path: string) => boolean) | undefined;

  constructor(fs: NativeFs, tree: SourceTree, visible: Visible) {
    this.#fs = fs;
    this.#tree = tree;
    this.#visible = visible;
  }

  is(path: string, folder: boolean): boolean {
    return path === "" || this.#visible(path, folder) || (folder && this.#holdsShown(path));
  }

  #holdsShown(path: string): boolean {
    this.#mayHoldExceptions ??= exceptionsOf(this.#tree.kind === "context" ? this.#tree.context.ignore : []);
    if (!this.#mayHoldExceptions(path)) return false;
    return this.#fs.listInRoot(this.#tree.root, path).some((name) => {
      const child = `${path}/${name}`;
      const stat = this.#fs.statInRoot(this.#tree.root, child, false);
      return stat !== undefined && this.is(child, isFolder(stat));
    });
  }
}
