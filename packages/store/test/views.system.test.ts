import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotId } from "@tsbuild/base";
import { nativeFs } from "@tsbuild/native-fs";
import { packLayer } from "@tsbuild/oci";
import { openStore, type Snapshotter, type Store, type WritableView } from "@tsbuild/store";
import { afterEach, describe, expect, test } from "vitest";
import { DeepStacks } from "../src/views/deep-stack.ts";
import { MAX_LOWERS_IN_A_STRING } from "../src/views/lower-limits.ts";
import { OverlayViews } from "../src/views/overlay.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("views of snapshots: skipped, needs root to mount overlays\n");

const folder = mkdtempSync(join(tmpdir(), "tsbuild-views-"));
const stores: Store[] = [];

function open(name: string, snapshotter: Snapshotter | "auto"): Store {
  const store = openStore({ root: join(folder, name), snapshotter });
  stores.push(store);
  return store;
}

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A script in a view: `.` is its root. The descriptor becomes the shell's 9, which the kernel shows it as a folder. */
function shell(root: number, script: string): void {
  const stdio = ["ignore", "ignore", "inherit", ...Array(6).fill("ignore"), root];
  execFileSync("/bin/sh", ["-euc", `cd /proc/self/fd/9\n${script}`], { stdio });
}

async function step(store: Store, parent: SnapshotId | null, script: string): Promise<SnapshotId> {
  const view = await store.views.prepare(parent);
  try {
    shell(view.root, script);
    return await view.commit();
  } catch (error) {
    view.discard();
    throw error;
  }
}

/** The layer's tar, with times of today taken out. */
async function layerTar(store: Store, id: SnapshotId): Promise<Buffer> {
  const [top = ""] = store.snapshots.lowers(id);
  const root = nativeFs.openFolder(top);
  const chunks: Buffer[] = [];
  for await (const chunk of packLayer(root, { fs: nativeFs, maxMtimeNs: 1_200_000_000n * 1_000_000_000n })) {
    chunks.push(Buffer.from(chunk));
  }
  nativeFs.close(root);
  return Buffer.concat(chunks);
}

function members(tar: Buffer): string {
  return execFileSync("tar", ["--full-time", "--xattrs", "-tvf", "-"], { input: tar }).toString();
}

/** Everything about a tree that GNU tar can tell, names in order. */
async function listing(store: Store, id: SnapshotId): Promise<string> {
  const view = await store.views.open(id);
  const options =
    "--sort=name --numeric-owner --xattrs --xattrs-include=* --pax-option=delete=atime,delete=ctime";
  const out = join(folder, "listing.tar");
  shell(view.root, `tar ${options} --warning=no-file-ignored -cf ${out} .`);
  view.close();
  const found = execFileSync("sha256sum", [out]).toString();
  return found + members(readFileSync(out));
}

const BASE = `
  mkdir -p a/b/c old/x/y full opaque links "$(printf 'no text \\377')"
  echo one > a/b/one; echo two > a/b/c/two; echo keep > full/keep; echo gone > full/gone
  for i in 1 2 3; do echo $i > old/x/y/$i; echo $i > opaque/$i; done
  echo shared > links/first; ln links/first links/second; ln -s first links/sym
  chmod 4755 a/b/one; chown 7:8 a/b/c/two; chmod 1777 full
  setfattr -n user.colour -v blue full/keep; setcap cap_net_raw+ep links/first
  mkfifo full/fifo; mknod full/null c 1 3
  python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("full/socket")'
  find . -exec touch -h -d @1000000000 {} +`;

const STEPS: Readonly<Record<string, string>> = {
  nothing: "true",
  "a new file in an old folder": "echo new > a/b/new",
  "a file written in place": "echo more >> a/b/c/two",
  "a mode set to what it was": "chmod 644 a/b/c/two",
  "a removed file": "rm full/gone",
  "a removed folder": "rm -r old/x",
  "a folder made anew with other files": "rm -r opaque; mkdir opaque; echo 4 > opaque/4",
  "a new folder with folders": "mkdir -p new/deep/er; echo x > new/deep/er/x",
  "a file in place of a folder": "rm -r old; echo file > old",
  "a folder in place of a file": "rm a/b/one; mkdir a/b/one; echo in > a/b/one/in",
  "a link in place of a file": "rm full/keep; ln -s /etc/passwd full/keep",
  "a renamed file": "mv a/b/one full/moved",
  "a renamed folder": "mv a/b full/b",
  "hard links to a new file": "echo n > n1; ln n1 n2; ln n1 a/n3",
  "a link to an old file": "ln a/b/c/two a/b/again",
  "nodes, sockets, fifos": "mkfifo f; mknod z c 1 5; mknod blk b 7 200; rm full/fifo",
  "owners, set-id bits, attributes":
    "chown 5:6 a/b; chmod 2755 a; setfattr -n user.n -v v a/b/c; setcap cap_chown+ep a/b/c/two",
  "made and removed again": "echo x > full/x; rm full/x; mkdir t; rmdir t",
  "a file in an old folder whose name is no text": `echo new > "$(printf 'no text \\377')/new"`,
  "the root's own mode": "chmod 1755 .; touch -d @1000000001 .",
  "names of all kinds": `mkdir -p "$(printf 'w\\303\\244\\377')"; echo 1 > "$(printf 'a\\nb')"; echo 2 > ' '; echo 3 > a-b; echo 4 > a.b`,
};

describe.skipIf(!isRoot)("views of snapshots", () => {
  test.each(Object.entries(STEPS))("copies make the same layer as overlayfs: %s", async (_, script) => {
    const tars: Buffer[] = [];
    const trees: string[] = [];
    for (const kind of ["overlay", "copy"] as const) {
      const store = open(kind, kind);
      const base = await step(store, null, BASE);
      const top = await step(
        store,
        base,
        `${script}\nfind . -newermt @1000000002 -exec touch -h -d @1100000000 {} +\ntouch -d @1000000000 .`,
      );
      tars.push(await layerTar(store, top));
      // A second open does not know the tree that the step left: it has to come from the layers.
      trees.push(await listing(store, top));
      trees.push(await listing(open(kind, kind), top));
    }
    expect(members(tars[1]!)).toBe(members(tars[0]!));
    expect(tars[1]!.equals(tars[0]!)).toBe(true);
    for (const tree of trees) expect(tree).toBe(trees[0]);
  });

  test("is one for all that look at the same at a time, but for those that want one of their own", async () => {
    const store = open("shared", "overlay");
    const id = await step(store, null, "echo x > f");
    const { views } = store;
    const all = await Promise.all([{}, {}, { own: true }, { own: true }].map((how) => views.open(id, how)));
    const roots = all.map(({ root }) => root);
    expect(roots[1]).toBe(roots[0]);
    expect(new Set(roots).size).toBe(3);
    for (const root of roots) expect(nativeFs.listInRoot(root, "")).toEqual(["f"]);
    for (const view of all) view.close();
    for (const root of roots.slice(2)) expect(() => nativeFs.listInRoot(root, "")).toThrow(/EBADF/);
  });

  test("a copy knows the other names of files in a folder that was renamed", async () => {
    const store = open("copy", "copy");
    const base = await step(
      store,
      null,
      "mkdir -p from stay; echo x > from/f; ln from/f stay/f; echo y > stay/g",
    );
    const top = await step(store, base, "mv from to");
    const made = members(await layerTar(store, top))
      .trim()
      .split("\n");
    const names = made.map((line) => /\S+(?: link to \S+)?$/.exec(line)?.[0]);
    expect(names.sort()).toEqual([".wh.from", "stay/", "stay/f", "to/", "to/f link to stay/f"]);
  });

  test("fsync in a step is free, and no mark of that stays; layers are on disk when the store is closed", async () => {
    const synced: number[] = [];
    const syncFs = async (fd: number): Promise<void> => void synced.push(statSync(`/proc/self/fd/${fd}`).dev);
    const native = { ...nativeFs, syncFs };
    const store = openStore({ root: join(folder, "volatile"), snapshotter: "overlay", native });
    const first = await (await store.views.prepare(null)).commit();
    await step(store, first, "echo x > file");
    const view = await store.views.prepare(first);
    shell(view.root, "echo kept > file; sync file; rm -f file; echo again > file");
    expect(existsSync(join(view.active.work, "work/incompat/volatile"))).toBe(true);
    const { upper, work } = view.active;
    await view.commit();
    // With what overlayfs left there.
    await expect.poll(() => existsSync(work), { timeout: 10_000 }).toBe(false);
    expect(synced).toEqual([]);
    await store.close();
    expect(synced).toEqual([statSync(upper).dev]);
  });

  test("for a file or a place that one layer tells, nothing is mounted; else all layers are", async () => {
    const store = openStore({ root: join(folder, "plain"), snapshotter: "overlay" });
    stores.push(store);
    let mounts = 0;
    const mountOverlay: typeof nativeFs.mountOverlay = (options) => {
      mounts++;
      return nativeFs.mountOverlay(options);
    };
    const { snapshots } = store;
    const shorten = async (lowers: readonly string[]) => lowers;
    const fs = { ...nativeFs, mountOverlay };
    const views = new OverlayViews({ fs, snapshots, shorten, userxattr: false });
    const base = await step(store, null, "mkdir -m 750 d; echo old > d/f; echo gone > g; ln -s d link");
    const top = await step(store, base, "echo new > n; rm g; echo too > d/t");
    const read = async (kind: "file" | "place", ...paths: readonly string[]) => {
      mounts = 0;
      const view = await views.open(top, { only: { paths, kind } });
      const read = paths.map((path) => nativeFs.readFileInRoot(view.root, path, 100)?.toString());
      view.close();
      view.close();
      return [mounts, ...read];
    };
    expect(await read("file", "n")).toEqual([0, "new\n"]);
    expect(await read("place", "n", "new/too")).toEqual([0, "new\n", undefined]);
    // The folder is the upper layer's by now, the file the lower one's.
    expect(await read("file", "d/f")).toEqual([1, "old\n"]);
    expect(await read("file", "link/f")).toEqual([1, "old\n"]);
    for (const path of ["g", "none"]) expect(await read("file", path)).toEqual([1, undefined]);
    expect(await read("place", "g")).toEqual([1, undefined]);
    expect(await read("place", "n", "d/t")).toEqual([0, "new\n", "too\n"]);
    expect(await read("place", "n", "d/f")).toEqual([1, "new\n", "old\n"]);
  });

  test("a kernel that takes all lower folders in one string gets a dozen at most, which look like all of them", async () => {
    const store = openStore({ root: join(folder, "old-kernel"), snapshotter: "overlay" });
    stores.push(store);
    const mounted: number[] = [];
    const fs = {
      ...nativeFs,
      mountOverlay: (options: Parameters<typeof nativeFs.mountOverlay>[0]) => {
        mounted.push(options.lowers.length);
        if (options.lowers.length <= MAX_LOWERS_IN_A_STRING) return nativeFs.mountOverlay(options);
        throw Object.assign(new Error("this many lower folders need Linux 6.8 or newer"), { code: "E2BIG" });
      },
    };
    const { snapshots } = store;
    const stacks = new DeepStacks({ fs: nativeFs, temporaryFolder: () => store.temporaryFolder() });
    const views = new OverlayViews({
      fs,
      snapshots,
      shorten: (lowers, max) => stacks.shorten(lowers, max),
      userxattr: false,
    });
    let top: SnapshotId | null = null;
    for (let i = 0; i < 40; i++) {
      const view: WritableView = await views.prepare(top);
      shell(view.root, `echo ${i} > own-${i}; echo ${i} > all; rm -f own-${i - 5}`);
      top = await view.commit();
    }
    const view = await views.open(top!);
    expect(nativeFs.listInRoot(view.root, ".")?.toSorted()).toEqual([
      "all",
      ...[35, 36, 37, 38, 39].map((i) => `own-${i}`),
    ]);
    expect(nativeFs.readFileInRoot(view.root, "all", 100)?.toString()).toBe("39\n");
    view.close();
    expect(mounted.filter((count) => count > MAX_LOWERS_IN_A_STRING)).toEqual([MAX_LOWERS_IN_A_STRING + 1]);
  });

  test("an underlay is seen where no layer has anything, and is in none; layers on nothing and copies do without", async () => {
    const store = open("underlay", "overlay");
    const underlay = join(folder, "below");
    execFileSync("sh", ["-euc", "mkdir -p $0/d $0/e; echo below > $0/d/f; echo below > $0/e/g", underlay]);
    const base = await step(store, null, "mkdir e; echo own > e/g");
    const view = await store.views.prepare(base, { underlay });
    expect(nativeFs.listInRoot(view.root, "")).toEqual(["d", "e"]);
    shell(view.root, "grep -q below d/f; grep -q own e/g; echo new > d/new");
    const top = await view.commit();
    const read = async (id: SnapshotId, path: string): Promise<string[]> => {
      const { root, close } = await store.views.open(id);
      const names = nativeFs.listInRoot(root, path);
      close();
      return names;
    };
    expect(await read(top, "")).toEqual(["d", "e"]);
    expect(await read(top, "d")).toEqual(["new"]);
    expect(members(await layerTar(store, top))).toMatch(/^[^\n]* d\/\n[^\n]* d\/new\n$/);
    for (const other of [
      await store.views.prepare(null, { underlay }),
      await open("underlay", "copy").views.prepare(base, { underlay }),
    ]) {
      expect(nativeFs.listInRoot(other.root, "")).not.toContain("d");
      other.discard();
    }
  });

  test("a stack deeper than the kernel takes looks the same, and grows", async () => {
    const store = open("deep", "overlay");
    let top = await step(store, null, "mkdir d; echo 0 > d/0");
    for (let i = 1; i <= 760; i++) {
      const view = await store.views.prepare(top);
      nativeFs.writeFileInRoot(view.root, `d/${i}`, Buffer.from(`${i}`), { mode: 0o644, uid: 0, gid: 0 });
      if (i > 3) nativeFs.removeInRoot(view.root, `d/${i - 3}`);
      top = await view.commit();
    }
    expect(store.snapshots.lowers(top)).toHaveLength(761);
    const view = await store.views.open(top);
    expect(nativeFs.listInRoot(view.root, "d")).toEqual(["0", "758", "759", "760"]);
    view.close();
    const copies = await open("deep", "copy").views.open(top);
    expect(nativeFs.listInRoot(copies.root, "d")).toEqual(["0", "758", "759", "760"]);
    copies.close();
    // Each of its 500 commits waits for the disk.
  }, 300_000);

  test.each(["overlay", "copy"] as const)(
    "a layer that is in a stack twice counts where it is uppermost: %s",
    async (kind) => {
      const store = open(`twice-${kind}`, kind);
      const added = await step(store, null, "mkdir d; echo a > d/a; echo x > x");
      const base = await step(store, null, "mkdir d; echo b > d/b");
      const { snapshots, views } = store;
      const once = snapshots.stack(base, await snapshots.wholeLayers(added)) as SnapshotId;
      const between = await step(store, once, "rm x d/a; echo c > d/c");
      const twice = snapshots.stack(between, await snapshots.wholeLayers(added)) as SnapshotId;
      expect(snapshots.layers(twice)).toHaveLength(4);
      const view = await views.open(twice);
      expect(["", "d"].map((path) => nativeFs.listInRoot(view.root, path))).toEqual([
        ["d", "x"],
        ["a", "b", "c"],
      ]);
      view.close();
      const writable = await views.prepare(twice);
      shell(writable.root, "cat x d/a d/b d/c >all; rm x");
      expect(nativeFs.listInRoot(writable.root, "")).toEqual(["all", "d"]);
      writable.discard();
    },
  );

  test("auto takes overlayfs where it works, copies where the folder is on an overlay, and remembers", async () => {
    expect(await open("plain", "auto").views.kind()).toBe("overlay");
    const mount = join(folder, "nested");
    const [lower, upper, work] = ["l", "u", "w"].map((name) => join(folder, name));
    execFileSync("mkdir", ["-p", mount, lower!, upper!, work!]);
    execFileSync("mount", [
      "-t",
      "overlay",
      "overlay",
      "-o",
      `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
      mount,
    ]);
    try {
      const store = open("nested/state", "auto");
      expect(await store.views.kind()).toBe("copy");
      const base = await step(store, null, "mkdir a; echo 1 > a/f");
      const top = await step(store, base, "rm a/f; echo 2 > a/g");
      expect(members(await layerTar(store, top))).toMatch(/a\/\n.*a\/\.wh\.f\n.*a\/g\n/s);
      await store.close();
      expect(await open("nested/state", "auto").views.kind()).toBe("copy");
    } finally {
      for (const one of stores.splice(0)) await one.close();
      execFileSync("umount", ["--lazy", mount]);
    }
  });

  test("trees that nobody needs any more are removed while the store is open", async () => {
    const store = open("evict", "copy");
    let top = await step(store, null, "echo 0 > f");
    for (let i = 1; i <= 12; i++) top = await step(store, top, `echo ${i} > f`);
    const leases = join(folder, "evict", "v1", "leases");
    const own = readdirSync(leases, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const trees = own.flatMap(({ name }) => readdirSync(join(leases, name)));
    expect(trees.length).toBeLessThanOrEqual(5);
    await store.close();
    expect(own.some(({ name }) => existsSync(join(leases, name)))).toBe(false);
  });
});
