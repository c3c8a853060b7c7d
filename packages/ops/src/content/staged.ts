import { rmSync } from "node:fs";
import { encodeTreeOps, type Stat, type TreeReader } from "@tsbuild/native-fs";
import type { OpsEnvironment } from "../environment.ts";
import type { SourceTree } from "../tree.ts";

/** From this size on a file that is read once instead of twice is worth a name of its own for a moment. */
const MIN_BYTES = 4 * 1024 * 1024;

/**
 * Copies of large files that were made while they were digested, for a step that will run whatever they hold: it takes them over instead of
 * reading its source again. What is there is what was digested. Lies in the store's temporary folders, so nothing is left of a killed build.
 */
export class StagedFiles {
  readonly #env: OpsEnvironment;
  readonly #tree: SourceTree;
  readonly #reader: TreeReader;
  #folder: { readonly path: string; readonly root: number } | undefined;
  readonly #staged = new Set<number>();

  constructor(
    env: OpsEnvironment,
    { tree, reader }: { readonly tree: SourceTree; readonly reader: TreeReader },
  ) {
    this.#env = env;
    this.#tree = tree;
    this.#reader = reader;
  }

  /** Whether it is worth it. */
  wants(index: number): boolean {
    return this.#reader.isFile(index) && this.#reader.size(index) >= MIN_BYTES;
  }

  /**
   * Copies a file and returns its digest. Undefined when there is no copy: the file is not what the walk saw, or cannot be read or written.
   * What that means is told by whoever reads it next, as if nobody had tried here.
   */
  async add(index: number, path: string): Promise<Buffer | undefined> {
    const { fs } = this.#env;
    const name = String(index);
    const { root } = this.#opened();
    const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
    const op = { type: "copy", path: name, from: path, existing: "replace", mode: 0o600, ...owner } as const;
    const digest = await fs
      .apply(root, this.#tree.root, encodeTreeOps([op]), { hash: true })
      .catch(() => undefined);
    if (digest !== undefined && this.#isAsWalked(index, fs.statInRoot(this.#tree.root, path, false))) {
      this.#staged.add(index);
      return digest;
    }
    fs.removeInRoot(root, name);
    return undefined;
  }

  /** A file that was written to while it was copied may be half of what it was and half of what it is. */
  #isAsWalked(index: number, now: Stat | undefined): boolean {
    const reader = this.#reader;
    return (
      now?.ino === reader.ino(index) &&
      now.size === reader.size(index) &&
      now.mtimeNs === reader.mtimeNs(index) &&
      now.ctimeNs === reader.ctimeNs(index)
    );
  }

  #opened(): { readonly path: string; readonly root: number } {
    if (this.#folder === undefined) {
      const path = this.#env.store.temporaryFolder();
      this.#folder = { path, root: this.#env.fs.openFolder(path) };
    }
    return this.#folder;
  }

  /** Where the copies are, by the names that `take` gives. */
  get root(): number {
    return this.#opened().root;
  }

  get isEmpty(): boolean {
    return this.#staged.size === 0;
  }

  /** The name of a copy, for one who moves it away; undefined: there is none, or it was taken. */
  take(index: number): string | undefined {
    return this.#staged.delete(index) ? String(index) : undefined;
  }

  /** Removes what nobody has taken. */
  close(): void {
    if (this.#folder === undefined) return;
    this.#env.fs.close(this.#folder.root);
    rmSync(this.#folder.path, { recursive: true, force: true });
    this.#folder = undefined;
    this.#staged.clear();
  }
}
