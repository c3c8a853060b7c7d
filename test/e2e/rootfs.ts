import { lstatSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { runOk, type World } from "./world.ts";

const KINDS: ReadonlyMap<number, string> = new Map([
  [0o040000, "folder"],
  [0o100000, "file"],
  [0o120000, "link"],
  [0o010000, "fifo"],
  [0o140000, "socket"],
]);

/** An unpacked root filesystem or layer, to be looked at. */
export class Rootfs {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** `file 644 0:0`, or `absent`. Links are not followed. */
  look(path: string): string {
    const stat = lstatSync(join(this.folder, path), { throwIfNoEntry: false });
    if (stat === undefined) return "absent";
    const kind = KINDS.get(stat.mode & 0o170000) ?? "other";
    if (kind === "link") return `link ${readlinkSync(join(this.folder, path))}`;
    return `${kind} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`;
  }

  /** What `look` says of each path. */
  lookAll(paths: readonly string[]): Record<string, string> {
    return Object.fromEntries(paths.map((path) => [path, this.look(path)]));
  }

  text(path: string): string {
    return readFileSync(join(this.folder, path), "utf8");
  }

  mtimeNs(path: string): bigint {
    return lstatSync(join(this.folder, path), { bigint: true }).mtimeNs;
  }

  inode(path: string): number {
    return lstatSync(join(this.folder, path)).ino;
  }

  async xattr(path: string, name: string): Promise<string> {
    const args = ["-n", name, "--only-values", "--absolute-names", join(this.folder, path)];
    return (await runOk("getfattr", args)).stdout;
  }
}

/** Unpacks a tar with owners, times and attributes as they are. */
async function unpack(tar: string, folder: string): Promise<Rootfs> {
  mkdirSync(folder, { recursive: true });
  const flags = ["--numeric-owner", "--same-owner", "--xattrs", "--xattrs-include=user.*"];
  await runOk("tar", ["-C", folder, ...flags, "-xpf", tar]);
  return new Rootfs(folder);
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

/** A built image: its whole root filesystem, and layers on request. */
export interface BuiltImage {
  readonly log: string;
  readonly rootfs: Rootfs;
  /** Counted from the end: -1 is the last layer. */
  layer(index: number): Promise<Rootfs>;
}

/** Builds a context and unpacks what came out. */
export async function buildRootfs(
  world: World,
  folder: string,
  ...flags: readonly string[]
): Promise<BuiltImage> {
  const tar = `${folder}.out.tar`;
  const layout = `${folder}.oci`;
  const outputs = ["-o", `type=tar,dest=${tar}`];
  outputs.push("-o", `type=oci,tar=false,compression=uncompressed,dest=${layout}`);
  const log = await world.build(folder, ...outputs, ...flags);
  const blob = (digest: string): string => join(layout, "blobs/sha256", digest.slice("sha256:".length));
  const layer = (index: number): Promise<Rootfs> => {
    const top = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const manifest = JSON.parse(readFileSync(blob(top.manifests[0]?.digest ?? ""), "utf8")) as Manifest;
    const found = manifest.layers.at(index);
    if (found === undefined) throw new Error(`the image has no layer ${index}`);
    return unpack(blob(found.digest), `${folder}.layer${index}`);
  };
  return { log, rootfs: await unpack(tar, `${folder}.rootfs`), layer };
}
