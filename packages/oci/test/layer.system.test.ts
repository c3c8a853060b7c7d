import { createHash } from "node:crypto";
import { lstatSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import {
  dropIdleWhiteouts,
  inheritFolders,
  packLayer,
  packMerged,
  type TarMember,
  unpackLayer,
  writeTar,
} from "@tsbuild/oci";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collect, file, inChunks, node, streamOf } from "./bytes.ts";
import { missing, pack, shell, withRoot, workFolder } from "./system.ts";

if (missing !== undefined) console.log(`skipping the tests of layers: ${missing}`);

let work: ReturnType<typeof workFolder>;
beforeEach(() => {
  work = workFolder();
});
afterEach(() => work.remove());

/** Lists a tar as the tar program sees it, without times. */
function listed(tar: Buffer): string[] {
  const path = join(work.path, "listed.tar");
  writeFileSync(path, tar);
  return shell(work.path, "tar --numeric-owner -tvf listed.tar")
    .trimEnd()
    .split("\n")
    .map((line) => line.replace(/\s+/g, " ").replace(/ \d{4}-\d\d-\d\d \d\d:\d\d/, ""));
}

async function unpack(tar: Buffer, folder: string, lowers: readonly number[] = []) {
  return withRoot(folder, (root) =>
    unpackLayer(inChunks(tar, 65_536), root, { fs: nativeFs, userxattr: false, lowers }),
  );
}

/** Where other layers have all processors: nothing is given to other threads. */
async function unpackInCrowd(tar: Buffer, folder: string) {
  const elsewhere: string[] = [];
  const apply: typeof nativeFs.apply = (root, source, ops, options) => {
    elsewhere.push(ops.toString("latin1"));
    return nativeFs.apply(root, source, ops, options);
  };
  const options = { fs: { ...nativeFs, apply }, userxattr: false, isCrowded: () => true };
  const layer = await withRoot(folder, (root) => unpackLayer(inChunks(tar, 65_536), root, options));
  return { layer, elsewhere };
}

const TREE = `
  mkdir -p etc usr/bin usr/empty tmp
  chmod 1777 tmp; chmod 0700 usr/empty
  echo hi > etc/first; ln etc/first etc/second; ln -s first etc/link; ln -s '' x 2>/dev/null || true
  cp /bin/true usr/bin/capable; setcap cap_net_raw+ep usr/bin/capable; ln usr/bin/capable usr/bin/alias
  setfattr -n user.binary -v 0x00ff80fe usr/bin/capable; setfattr -n user.text -v text etc
  mknod usr/null c 1 3; mkfifo usr/pipe
  echo x > "$(printf 'usr/caf\\xe9')"; echo x > "usr/größe"
  echo x > usr/$(printf 'n%.0s' $(seq 200))
  head -c 3000000 /dev/urandom > usr/large
  chown 1000:100 etc/first; chown 4000000:5000000 usr/large; chmod 4755 usr/large
  touch -d '2001-02-03 04:05:06.123456789' etc/first; touch -h -d '1969-12-31 23:59:58.5' etc/link
  touch -d '2002-02-02 02:02:02.2' etc usr/bin usr tmp
`;

describe.skipIf(missing !== undefined)("a layer folder", () => {
  test("comes back from its tar as it was", async () => {
    const source = work.make("source");
    shell(source, TREE);
    const { tar, layer } = await pack(source);
    expect(layer).toEqual({
      diffId: `sha256:${createHash("sha256").update(tar).digest("hex")}`,
      sizeBytes: tar.length,
    });
    const target = work.make("target");
    expect(await unpack(tar, target)).toEqual({ ...layer, impliedFolders: [], whiteouts: [] });
    expect((await pack(target)).layer).toEqual(layer);
    const report =
      "find . -mindepth 1 -printf '%P %M %n %U %G %T@ %l\\n' | sort; find . -type f -exec sha256sum {} + | sort; find . | sort | xargs -d '\\n' getfattr -h -d -m -; getcap -r . | sort";
    expect(shell(target, report)).toBe(shell(source, report));
    expect(lstatSync(join(target, "usr/bin/alias")).ino).toBe(lstatSync(join(target, "usr/bin/capable")).ino);
  });

  test("is the same when all of it is made on one thread, but for what is moved there by a copy", async () => {
    const source = work.make("source");
    shell(source, `${TREE} setfattr -n user.large -v 1 usr/large`);
    const { tar, layer } = await pack(source);
    const target = work.make("target");
    const made = await unpackInCrowd(tar, target);
    expect(made.layer).toEqual({ ...layer, impliedFolders: [], whiteouts: [] });
    expect((await pack(target)).layer).toEqual(layer);
    expect(made.elsewhere).toEqual([expect.stringContaining("usr/large")]);
    const damaged = await collect(writeTar([node("a", "hardlink", { target: "nowhere" }), file("b", "")]));
    await expect(unpackInCrowd(damaged, work.make("damaged"))).rejects.toMatchObject({
      code: "TSB_INTEGRITY",
      message: 'the archive is damaged: the hard link "a" names "nowhere", which does not come before it',
    });
  });

  test("is a tar that tar unpacks to the same", async () => {
    const source = work.make("source");
    shell(source, TREE);
    const { tar } = await pack(source);
    writeFileSync(join(work.path, "layer.tar"), tar);
    const target = work.make("target");
    shell(target, "tar --xattrs --xattrs-include='*' --numeric-owner -xpf ../layer.tar");
    const report =
      "find . -mindepth 1 -printf '%P %M %n %U %G %T@ %l\\n' | sort; find . -type f -exec sha256sum {} + | sort; find . | sort | xargs -d '\\n' getfattr -h -d -m -";
    expect(shell(target, report)).toBe(shell(source, report));
  });

  test("has the entries of a mounted overlay's upper folder, as containerd would write them", async () => {
    const [lower, upper, , merged] = ["lower", "upper", "work", "merged"].map((name) => work.make(name));
    shell(
      lower ?? "",
      "mkdir -p keep gone replaced/deep opaque; echo a > file; echo b > keep/b; echo c > replaced/deep/c",
    );
    shell(work.path, "mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged");
    try {
      shell(
        merged ?? "",
        "rm -r gone; rm keep/b file; rm -r replaced; mkdir replaced; echo n > replaced/new; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'; chmod 700 opaque",
      );
    } finally {
      shell(work.path, "umount merged");
    }
    const { tar } = await pack(upper ?? "");
    expect(listed(tar)).toEqual([
      "---------- 0/0 0 .wh.file",
      "---------- 0/0 0 .wh.gone",
      "drwxr-xr-x 0/0 0 keep/",
      "---------- 0/0 0 keep/.wh.b",
      "drwx------ 0/0 0 opaque/",
      "drwxr-xr-x 0/0 0 replaced/",
      "---------- 0/0 0 replaced/.wh..wh..opq",
      "-rw-r--r-- 0/0 2 replaced/new",
    ]);
    expect(tar.includes("overlay")).toBe(false);

    const again = work.make("again");
    await unpack(tar, again);
    const [viaOurs, viaKernel] = await Promise.all(
      [again, upper ?? ""].map((top) => collect(packMerged({ lowers: [top, lower ?? ""] }))),
    );
    expect(listed(viaOurs ?? Buffer.alloc(0))).toEqual([
      "drwxr-xr-x 0/0 0 keep/",
      "drwx------ 0/0 0 opaque/",
      "drwxr-xr-x 0/0 0 replaced/",
      "-rw-r--r-- 0/0 2 replaced/new",
    ]);
    expect(viaOurs?.equals(viaKernel ?? Buffer.alloc(0))).toBe(true);
  });

  test("has one whiteout per removed name, none in opaque folders, and knows whiteouts by xattr", async () => {
    const source = work.make("source");
    shell(
      source,
      `mkdir -p o/deep d; setfattr -n trusted.overlay.opaque -v y o; setfattr -n user.overlay.opaque -v y o/deep
       mknod o/deep/hidden c 0 0; mknod o/hidden c 0 0; mknod d/gone c 0 0
       touch d/gone2; setfattr -n user.overlay.whiteout -v y d/gone2; setfattr -n trusted.overlay.opaque -v x d
       echo x > d/real; setfattr -n trusted.overlay.origin -v 0x00 d/real`,
    );
    expect(listed((await pack(source)).tar)).toEqual([
      "drwxr-xr-x 0/0 0 d/",
      "---------- 0/0 0 d/.wh.gone",
      "---------- 0/0 0 d/.wh.gone2",
      "-rw-r--r-- 0/0 2 d/real",
      "drwxr-xr-x 0/0 0 o/",
      "---------- 0/0 0 o/.wh..wh..opq",
      "drwxr-xr-x 0/0 0 o/deep/",
    ]);
  });

  test("has the same bytes whatever the order of its making, and nothing of removal times", async () => {
    const names = Array.from({ length: 300 }, (_, index) => `f${(index * 7919) % 300}`);
    const digests: string[] = [];
    for (const [folder, order] of [
      [work.make("one"), names],
      [work.make("two"), [...names].reverse()],
    ] as const) {
      shell(
        folder,
        `for f in ${order.join(" ")}; do echo $f > $f; done; mknod gone c 0 0; touch -d @1 f*; sleep 0.01`,
      );
      digests.push((await pack(folder)).layer.diffId);
    }
    expect(digests[0]).toBe(digests[1]);
  });

  test("of a known tree has a known diff ID", async () => {
    const source = work.make("source");
    shell(
      source,
      "mkdir -p etc; echo tsbuild > etc/name; ln -s name etc/link; chmod 755 etc; chmod 644 etc/name; mknod etc/gone c 0 0; touch -h -d @1000000000 etc/link etc/name; touch -d @1000000000.5 etc",
    );
    expect((await pack(source)).layer).toEqual({
      diffId: "sha256:fe1ce0ca5bb30e2b52a6bae3b4c18e80010106da405814978771f3139e0f7820",
      sizeBytes: 4608,
    });
  });

  test("that holds names which mean removal to others tells so and leaves them out", async () => {
    const source = work.make("source");
    shell(source, "mkdir .wh.folder; echo x > .wh.folder/inside; echo x > .wh.file; echo x > real");
    const skipped: string[] = [];
    const tar = await withRoot(source, (root) =>
      collect(packLayer(root, { fs: nativeFs, onSkipped: (path) => skipped.push(path) })),
    );
    expect(listed(tar)).toEqual(["-rw-r--r-- 0/0 2 real"]);
    expect(skipped).toEqual([".wh.file", ".wh.folder"]);
  });

  test("can have its times cut off", async () => {
    const source = work.make("source");
    shell(source, "echo x > new; echo x > old; touch -d @2000000000 new; touch -d @5 old");
    const tar = await withRoot(source, (root) =>
      collect(packLayer(root, { fs: nativeFs, maxMtimeNs: 1_000_000_000_000_000_000n })),
    );
    const target = work.make("target");
    await unpack(tar, target);
    expect(["new", "old"].map((name) => statSync(join(target, name)).mtimeMs)).toEqual([1e12, 5e3]);
  });

  test("that changes under the packer is refused", async () => {
    const source = work.make("source");
    writeFileSync(join(source, "grows"), "x".repeat(100));
    const walk: typeof nativeFs.walk = async (...args) => {
      const walked = await nativeFs.walk(...args);
      writeFileSync(join(source, "grows"), "x".repeat(101));
      return walked;
    };
    const packing = withRoot(source, (root) => collect(packLayer(root, { fs: { ...nativeFs, walk } })));
    await expect(packing).rejects.toMatchObject({
      code: "TSB_STORE",
      message: expect.stringContaining("grows"),
    });
  });
});

describe.skipIf(missing !== undefined)("unpacking a layer", () => {
  function tarOf(...members: readonly TarMember[]): Promise<Buffer> {
    return collect(writeTar(members));
  }

  test("takes the metadata of folders without an entry from the layers below", async () => {
    const lower = work.make("lower");
    shell(lower, "mkdir -p tmp root/.config; chmod 1777 tmp; chmod 700 root; chown 5:6 root/.config");
    const target = work.make("target");
    const tar = await tarOf(file("tmp/x", "x"), file("root/.config/app/y", "y"));
    const unpacked = await withRoot(lower, (below) => unpack(tar, target, [below]));
    expect(unpacked.impliedFolders).toEqual(["tmp", "root", "root/.config", "root/.config/app"]);
    const report = "find . -mindepth 1 -type d -printf '%P %m %U:%G\\n' | sort";
    const expected = "root 700 0:0\nroot/.config 700 5:6\nroot/.config/app 755 0:0\ntmp 1777 0:0\n";
    expect(shell(target, report)).toBe(expected.replace(".config 700", ".config 755"));

    const later = work.make("later");
    const { impliedFolders } = await unpack(tar, later);
    await withRoot(lower, (below) =>
      withRoot(later, (root) => inheritFolders(nativeFs, root, { lowers: [below], folders: impliedFolders })),
    );
    expect(shell(later, report)).toBe(shell(target, report));
  });

  test("lets a whiteout hide what is below, never what is in the layer", async () => {
    const target = work.make("target");
    await unpack(
      await tarOf(
        file("kept", "x"),
        file(".wh.kept", ""),
        file(".wh.late", ""),
        file("late", "y"),
        node("folder", "folder"),
        file("folder/in", "z"),
        file(".wh.folder", ""),
        file(".wh.again", ""),
        node("again", "folder"),
        file("sub/.wh..wh..opq", ""),
        file(".wh..wh.plnk", ""),
      ),
      target,
    );
    expect(shell(target, "find . -mindepth 1 -printf '%P %y\\n' | sort")).toBe(
      "again d\nfolder d\nfolder/in f\nkept f\nlate f\nsub d\n",
    );
    const opaque = "getfattr -R -m trusted.overlay.opaque . | sed -n 's/# file: //p' | sort";
    expect(shell(target, opaque)).toBe("again\nfolder\nsub\n");
  });

  test("keeps no whiteout of nothing: overlayfs would list a name that it does not find", async () => {
    const lower = work.make("lower");
    shell(lower, "mkdir both; echo x > both/old; echo y > plain; touch -d @1000000000 .");
    const target = work.make("target");
    const members = [
      ...[
        file("both/.wh.old", ""),
        file("both/.wh.never", ""),
        file(".wh.plain", ""),
        file("mine/.wh.x", ""),
      ],
      ...[
        file("mine/y", "y"),
        node("mine", "folder"),
        file("opaque/.wh..wh..opq", ""),
        file("opaque/d/.wh.x", ""),
      ],
    ];
    const { whiteouts } = await unpack(await tarOf(...members), target);
    expect([...whiteouts].sort()).toEqual(["both/never", "both/old", "mine/x", "plain"]);
    await withRoot(lower, (below) =>
      withRoot(target, (root) => dropIdleWhiteouts(nativeFs, root, { lowers: [below], whiteouts })),
    );
    const report = "find . -mindepth 1 -printf '%P %y\\n' | sort";
    const kept = "both d\nboth/never c\nboth/old c\nmine d\nmine/y f\nopaque d\nopaque/d d\nplain c\n";
    expect(shell(target, report)).toBe(kept);
    expect(shell(target, "stat -c %Y mine")).toBe("0\n");
    const bottom = work.make("bottom");
    const all = await unpack(await tarOf(...members), bottom);
    await withRoot(bottom, (root) => dropIdleWhiteouts(nativeFs, root, { lowers: [], ...all }));
    expect(shell(bottom, report)).toBe(kept.replace(/^.* c\n/gm, ""));
  });

  test("hides a whole root by name, since overlayfs has no opaque root", async () => {
    const lower = work.make("lower");
    shell(lower, "mkdir a b; echo x > c");
    const target = work.make("target");
    const tar = await tarOf(file(".wh..wh..opq", ""), node("a", "folder"), file("d", "x"));
    await withRoot(lower, (below) => unpack(tar, target, [below]));
    const merged = await collect(packMerged({ lowers: [target, lower] }));
    expect(listed(merged)).toEqual(["drwxr-xr-x 0/0 0 a/", "-rw-r--r-- 0/0 1 d"]);
  });

  test("lets later entries win", async () => {
    const target = work.make("target");
    await unpack(
      await tarOf(
        file("a", "first"),
        node("b", "folder"),
        file("b/in", "x"),
        node("c", "symlink", { target: "nowhere" }),
        file("a", "second", { mode: 0o600 }),
        file("b", "now a file"),
        node("c", "folder", { mode: 0o700 }),
        file("large", Buffer.alloc(700_000)),
        file("large", Buffer.alloc(600_000, 1)),
      ),
      target,
    );
    expect(
      shell(
        target,
        "cat a b; find . -mindepth 1 -printf '%P %y %m %s\\n' | grep -v '^c' | sort; stat -c %a c",
      ),
    ).toBe("secondnow a filea f 600 6\nb f 644 10\nlarge f 644 600000\n700\n");
  });

  test("reads to the end, and says the digest of every byte", async () => {
    const tar = Buffer.concat([await tarOf(file("a", "x")), Buffer.alloc(10_240, 7)]);
    const unpacked = await unpack(tar, work.make("target"));
    expect(unpacked.diffId).toBe(`sha256:${createHash("sha256").update(tar).digest("hex")}`);
  });

  test("gives large files their xattrs, however long their names", async () => {
    const target = work.make("target");
    const body = Buffer.alloc(2_000_000, 3);
    const xattrs = [{ name: "user.x", value: Buffer.of(0, 1) }];
    const members = [
      file("big", body, { mode: 0o4755, xattrs }),
      file(`d/${"n".repeat(255)}`, body, { xattrs }),
    ];
    await unpack(await tarOf(...members), target);
    expect(
      shell(target, "cd d; ls -A | wc -l; getfattr --only-values -n user.x n* | od -An -tx1; rm -r ../d"),
    ).toBe("1\n 00 01\n");
    expect(shell(target, "ls; stat -c '%a %s %Y' big; getfattr -e hex -n user.x big")).toBe(
      "big\n4755 2000000 0\n# file: big\nuser.x=0x0001\n\n",
    );
    expect(readFileSync(join(target, "big")).equals(body)).toBe(true);
  });

  test("drops overlayfs's own xattrs and those of the host's security", async () => {
    const target = work.make("target");
    const names = [
      "trusted.overlay.redirect",
      "trusted.overlay.metacopy",
      "user.overlay.opaque",
      "security.ima",
      "trusted.x",
    ];
    const xattrs = [...names, "user.kept"].map((name) => ({ name, value: Buffer.from("y") }));
    await unpack(await tarOf(node("d", "folder", { xattrs })), target);
    expect(shell(target, "getfattr -d -m - d")).toBe('# file: d\nuser.kept="y"\n\n');
  });

  test("leaves devices out where they cannot be made", async () => {
    const target = work.make("target");
    const tar = await tarOf(node("null", "char", { major: 1, minor: 3 }), file("a", "x"));
    await withRoot(target, (root) => unpackLayer(streamOf(tar), root, { fs: nativeFs, userxattr: true }));
    expect(shell(target, "ls")).toBe("a\n");
  });

  test("stops when it is told to", async () => {
    const target = work.make("target");
    const signal = AbortSignal.abort();
    const unpacking = withRoot(target, async (root) =>
      unpackLayer(streamOf(await tarOf(file("a", "x"))), root, { fs: nativeFs, userxattr: false, signal }),
    );
    await expect(unpacking).rejects.toThrow("aborted");
  });
});
