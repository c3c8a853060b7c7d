/**
 * Mounts where nothing can be mounted: their content is put into the root for the time of the step. What the image has at the same place is
 * moved aside and comes back as it was; what the step wrote to a writable folder (a cache) goes back to where it came from.
 */
import { constants, linkSync, mkdirSync, renameSync } from "node:fs";
import { errnoCode, TsbuildError } from "@tsbuild/base";
import { encodeTreeOps, type NativeFs, type TreeOp } from "@tsbuild/native-fs";
import { cloneTree } from "@tsbuild/oci";
import type { ExecMount } from "@tsbuild/sandbox";
import { cleanPath, isFolder } from "../content/locate.ts";
import { followDestination, parentOf } from "../file/target.ts";
import type { Stubs } from "./stubs.ts";

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const FOLDER = constants.O_DIRECTORY | 0o10000000; // O_PATH

/** Standard devices (runtime-spec, config-linux.md "default devices"). */
const DEVICES: readonly (readonly [name: string, major: number, minor: number])[] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];

interface Place {
  /** Below the root, links resolved. */
  readonly path: string;
  readonly name: string;
  /** Descriptor of the folder above: whatever the step makes of its path, it stays the same folder. */
  readonly parent: number;
  readonly parentTimeNs: bigint;
  /** Path of what was here before; undefined: nothing. */
  readonly aside: string | undefined;
  /** Takes what the step leaves here. */
  readonly back: (() => void) | undefined;
}

/** By descriptor: a path would be looked up anew. Only the last component is a name, which rename and link do not follow. */
function at(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

export class PlacedMounts {
  readonly #fs: NativeFs;
  readonly #root: number;
  /** A folder on the root's file system and outside of it. */
  readonly #aside: string;
  readonly #places: Place[] = [];

  constructor(options: { readonly fs: NativeFs; readonly root: number; readonly aside: string }) {
    this.#fs = options.fs;
    this.#root = options.root;
    this.#aside = options.aside;
    mkdirSync(this.#aside, { recursive: true, mode: 0o700 });
  }

  /** A /dev with the standard devices, then the mounts in their order. */
  async place(mounts: readonly ExecMount[]): Promise<void> {
    await this.#one("/dev", async (parent, name) => {
      this.#fs.mkdirInRoot(parent, name, { mode: 0o755, uid: 0, gid: 0, parents: false });
      await this.#devices(parent, name);
      return undefined;
    });
    for (const mount of mounts) {
      await this.#one(mount.dest, (parent, name) =>
        mount.type === "tmpfs"
          ? this.#emptyFolder(parent, name, mount.mode)
          : this.#bind(mount, parent, name),
      );
    }
  }

  /** Takes everything out again. What the layer must not hold as changed is added to the stubs (see `dropCopiedFolders`). */
  restore(stubs: Stubs): Stubs {
    const places = this.#places.splice(0).toReversed();
    const came = places.filter((place) => this.#restoreOne(place)).map(({ path }) => path);
    const touched = places.map(({ path, parentTimeNs }) => ({ path: parentOf(path), mtimeNs: parentTimeNs }));
    for (const { parent } of places) this.#fs.close(parent);
    const known = new Set(stubs.touched.map(({ path }) => path));
    return {
      made: stubs.made,
      touched: [...stubs.touched, ...touched.filter(({ path }) => !known.has(path))],
      restored: came,
    };
  }

  async #one(
    dest: string,
    fill: (parent: number, name: string) => Promise<(() => void) | undefined>,
  ): Promise<void> {
    const fs = this.#fs;
    const path = followDestination(fs, this.#root, cleanPath(dest));
    if (path === "") throw onRoot();
    const folder = parentOf(path);
    if (folder !== "") fs.mkdirInRoot(this.#root, folder, { mode: 0o755, uid: 0, gid: 0, parents: true });
    const parent = fs.openInRoot(this.#root, folder === "" ? "." : folder, FOLDER, 0);
    const name = path.slice(folder === "" ? 0 : folder.length + 1);
    const parentTimeNs = fs.statInRoot(parent, ".", false)?.mtimeNs ?? 0n;
    const there = fs.statInRoot(parent, name, false) !== undefined;
    const aside = there ? `${this.#aside}/${this.#places.length}` : undefined;
    if (aside !== undefined) renameSync(at(parent, name), aside);
    const index = this.#places.push({ path, name, parent, parentTimeNs, aside, back: undefined }) - 1;
    const back = await fill(parent, name);
    this.#places[index] = { path, name, parent, parentTimeNs, aside, back };
  }

  /** True when the image's own entry is back. */
  #restoreOne({ name, parent, parentTimeNs, aside, back }: Place): boolean {
    const fs = this.#fs;
    back?.();
    fs.removeInRoot(parent, name);
    if (aside === undefined) return false;
    try {
      renameSync(aside, at(parent, name));
    } catch (error) {
      // The step removed the folder that it was in.
      if (errnoCode(error) === "ENOENT") return false;
      throw error;
    }
    fs.setTimesInRoot(parent, ".", parentTimeNs, parentTimeNs);
    return true;
  }

  async #emptyFolder(parent: number, name: string, mode: number): Promise<undefined> {
    this.#fs.mkdirInRoot(parent, name, { mode, uid: 0, gid: 0, parents: false });
  }

  async #devices(parent: number, name: string): Promise<void> {
    const fs = this.#fs;
    fs.mkdirInRoot(parent, `${name}/shm`, { mode: 0o1777, uid: 0, gid: 0, parents: false });
    const owner = { mode: 0o666, uid: 0, gid: 0, existing: "error" } as const;
    const nodes = DEVICES.map(([device, major, minor]): TreeOp => {
      return { type: "node", kind: "char", path: `${name}/${device}`, major, minor, ...owner };
    });
    try {
      await fs.apply(parent, -1, encodeTreeOps(nodes), { hash: false });
    } catch (error) {
      if (errnoCode(error) !== "EPERM") throw error;
      // Without the right to make devices: output to nowhere at least has a file, which goes with the others.
      fs.writeFileInRoot(parent, `${name}/null`, new Uint8Array(), owner);
    }
  }

  async #bind(
    mount: ExecMount & { readonly type: "bind" },
    parent: number,
    name: string,
  ): Promise<(() => void) | undefined> {
    const fs = this.#fs;
    const path = fs.pathInRoot(mount.fd, cleanPath(mount.sourcePath)) ?? mount.sourcePath;
    const stat = fs.statInRoot(mount.fd, path === "" ? "." : path, false);
    if (stat === undefined) throw new Error(`assertion failed: the source of ${mount.dest} is gone`);
    const { uid, gid } = stat;
    const mode = stat.mode & 0o7777;
    if (!isFolder(stat)) {
      const copy = { type: "copy", path: name, from: path, mode, uid, gid, existing: "error" } as const;
      if ((stat.mode & S_IFMT) === S_IFREG)
        await fs.apply(parent, mount.fd, encodeTreeOps([copy]), { hash: false });
      else linkSync(at(mount.fd, path), at(parent, name));
      return undefined;
    }
    fs.mkdirInRoot(parent, name, { mode, uid, gid, parents: false });
    const source = fs.openInRoot(mount.fd, path === "" ? "." : path, FOLDER, 0);
    const dest = fs.openInRoot(parent, name, FOLDER, 0);
    await cloneTree({ fs, source, dest });
    const close = (): void => {
      fs.close(source);
      fs.close(dest);
    };
    if (!mount.readonly) return () => moveContent(fs, { from: dest, to: source }, close);
    close();
    return undefined;
  }
}

/** In one go, so that steps of this process that share a cache see it whole: the last one to end decides what is in it. */
function moveContent(
  fs: NativeFs,
  { from, to }: { readonly from: number; readonly to: number },
  close: () => void,
): void {
  for (const name of fs.listInRoot(to, "")) fs.removeInRoot(to, name);
  for (const name of fs.listInRoot(from, "")) renameSync(at(from, name), at(to, name));
  close();
}

function onRoot(): TsbuildError {
  return new TsbuildError(
    "TSB_EXEC",
    "a mount on the root needs a namespace, which --isolation=chroot does without",
    {
      hint: "mount it on a folder",
    },
  );
}
