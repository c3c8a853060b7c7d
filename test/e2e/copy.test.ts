import { execFileSync } from "node:child_process";
import { chmodSync, linkSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltImage, buildRootfs } from "./rootfs.ts";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar", "setfattr", "getfattr");
if (reason !== undefined) console.log(`skipped: end-to-end copies: ${reason}`);

const B_TIME = 1_000_000_000_123_456_789n;
const SUB_TIME = 1_100_000_000_987_654_321n;
const DIR_TIME = 1_200_000_000_111_222_333n;

/** One of everything that can be in a context. */
function makeSources(world: World, name: string): string {
  const folder = world.context(name, {
    "dir/a": "a",
    "dir/sub/b": "b",
    "dir/x.log": "log",
    "dir/hard1": "hard",
    "one.txt": "one",
    "two.txt": "two",
    "three.log": "three",
    "exec.sh": "#!/bin/sh\n",
    "sp ace.txt": "space",
    "ünï/cødé.txt": "unicode",
  });
  const path = (name: string): string => join(folder, name);
  writeFileSync(Buffer.concat([Buffer.from(path("bytes-")), Buffer.of(0xff, 0xe9)]), "bytes");
  linkSync(path("dir/hard1"), path("dir/hard2"));
  symlinkSync("a", path("dir/link"));
  symlinkSync("/etc/passwd", path("dir/abs"));
  symlinkSync("nowhere", path("dir/dangling"));
  symlinkSync("dir/a", path("linkfile"));
  symlinkSync("dir", path("linkdir"));
  symlinkSync("nope", path("dangling"));
  execFileSync("mkfifo", ["-m", "0620", path("dir/fifo")]);
  execFileSync("setfattr", ["-n", "user.note", "-v", "kept", path("dir/sub/b")]);
  for (const [name, mode] of [
    ["dir", 0o711],
    ["dir/sub", 0o750],
    ["dir/sub/b", 0o640],
    ["dir/a", 0o644],
    ["exec.sh", 0o755],
    ["one.txt", 0o644],
  ] as const)
    chmodSync(path(name), mode);
  const root = nativeFs.openFolder(folder);
  nativeFs.setTimesInRoot(root, "dir/sub/b", B_TIME, B_TIME);
  nativeFs.setTimesInRoot(root, "dir/sub", SUB_TIME, SUB_TIME);
  nativeFs.close(root);
  return folder;
}

const BASE = [
  "FROM busybox AS base",
  "RUN mkdir -p /exists/sub /exists-too /clash /deep && chmod 700 /exists && echo own > /exists/own && chown -R 7:8 /exists \\",
  "  && touch -d '2001-02-03 04:05:06' /exists && ln /exists/own /exists/own2 \\",
  "  && ln -s /exists /to-exists && ln -s /deep/er /to-missing && ln -s ../../../../escape /to-escape && ln -s /deep/file /to-file",
];

const DOCKERFILE = [
  ...BASE,
  "FROM base",
  "COPY dir /new",
  "COPY --chown=5:6 dir /new-owned",
  "COPY dir /exists",
  "COPY dir /exists-too/",
  "COPY dir/a /file-dest",
  "COPY dir/a /as-dir/",
  "COPY dir/a /x/y/z/w",
  "COPY dir/ /slashed-source",
  "WORKDIR /wd",
  "COPY dir/a .",
  "COPY dir/a rel/name",
  "COPY one.txt two.txt ./multi/",
  "COPY *.txt /wild/",
  "COPY [ot]*.log d?r/a /classes/",
  "COPY nothing* /nothing/",
  "COPY nothing* one.tx[t] /optional/",
  "COPY /../../one.txt /dotdot",
  "COPY linkfile /followed",
  "COPY linkdir /followed-dir",
  "COPY link* /followed-wild/",
  "COPY one.txt /to-exists/",
  "COPY one.txt /to-missing/",
  "COPY one.txt /to-escape/",
  "COPY one.txt /to-file",
  "COPY --chown=alice one.txt /by-name",
  "COPY --chown=alice:staff one.txt /by-names",
  "COPY --chown=1234 one.txt /by-number",
  "COPY --chown=1234:99 one.txt /by-numbers",
  "COPY --chown=9:9 one.txt /par/ent/file",
  "COPY --chmod=0600 dir /octal",
  "COPY --chmod=0700 one.txt /octal-parent/file",
  "COPY --chmod=u=rwX,go=rX dir /symbolic",
  "COPY --chmod=go-r exec.sh one.txt /symbolic-parent/",
  "COPY --chmod=4755 exec.sh /suid",
  "COPY --exclude=*.log --exclude=sub dir /excluded",
  "COPY --exclude=** --exclude=!sub/b dir /excluded-but",
  "COPY --parents dir/sub/b /parents/",
  "COPY --parents ./dir/./sub/b /pivot/",
  "COPY --parents **/b /any-depth/",
  "COPY --parents nothing*/x one.txt /parents-optional/",
  "COPY --link one.txt /linked/file",
  "COPY --link --chown=alice:staff one.txt /linked-owned",
  "COPY --link --chmod=0600 one.txt /linked-mode",
  "COPY --from=base /exists /kept/",
  "COPY --from=base exists/own /kept-file",
  "COPY --from=0 /to-exists /kept-by-link/",
  "COPY --from=busybox /bin/busybox /from-image",
  'COPY ["sp ace.txt", "/sp ace/d est"]',
  "COPY ünï /ünï",
  "COPY bytes-* /bytes/",
  "RUN stat -c %F /new/sock > /sock-kind",
  "COPY dir/sub/b /last",
  "COPY dir /last-dir",
].join("\n");

describe.skipIf(reason !== undefined)("COPY", () => {
  const world = new World();
  let image: BuiltImage;
  let socket: Server;

  beforeAll(async () => {
    await importBusybox(world);
    const folder = makeSources(world, "sources");
    socket = createServer();
    await new Promise<void>((resolve) => socket.listen(join(folder, "dir/sock"), resolve));
    const root = nativeFs.openFolder(folder);
    nativeFs.setTimesInRoot(root, "dir", DIR_TIME, DIR_TIME);
    nativeFs.close(root);
    world.context("sources", { Dockerfile: DOCKERFILE });
    image = await buildRootfs(world, folder);
  });
  afterAll(() => {
    socket?.close();
    world.close();
  });

  test("a folder's contents: new folders are 0755 0:0, existing ones stay, nested ones take the source's (D094, D097, D098)", () => {
    const { rootfs } = image;
    expect(rootfs.lookAll(["new", "new/sub", "new/sub/b", "new/dir", "slashed-source/a"])).toEqual({
      new: "folder 755 0:0",
      "new/sub": "folder 750 0:0",
      "new/sub/b": "file 640 0:0",
      "new/dir": "absent",
      "slashed-source/a": "file 644 0:0",
    });
    expect(rootfs.lookAll(["new-owned", "new-owned/sub", "new-owned/sub/b"])).toEqual({
      "new-owned": "folder 755 5:6",
      "new-owned/sub": "folder 750 5:6",
      "new-owned/sub/b": "file 640 5:6",
    });
    expect(rootfs.lookAll(["exists", "exists/own", "exists/sub", "exists/sub/b"])).toEqual({
      exists: "folder 700 7:8",
      "exists/own": "file 644 7:8",
      "exists/sub": "folder 750 0:0",
      "exists/sub/b": "file 640 0:0",
    });
    expect(rootfs.mtimeNs("exists/sub")).toBe(SUB_TIME);
    // Of a folder that contents are copied into, the source's time is all that it takes: a time of the build would make each layer another.
    for (const path of ["new", "slashed-source", "exists-too"])
      expect(rootfs.mtimeNs(path), path).toBe(DIR_TIME);
  });

  test("where a file lands (D093, D095, D096)", () => {
    const paths = ["file-dest", "as-dir/a", "x/y/z/w", "wd/a", "wd/rel/name", "wd/multi/two.txt", "dotdot"];
    for (const path of paths) expect(image.rootfs.look(path), path).toBe("file 644 0:0");
    expect(image.rootfs.lookAll(["x", "x/y/z", "wd/rel", "wd"])).toEqual({
      x: "folder 755 0:0",
      "x/y/z": "folder 755 0:0",
      "wd/rel": "folder 755 0:0",
      wd: "folder 755 0:0",
    });
  });

  test("wildcards; those that match nothing make nothing (D105)", () => {
    const { rootfs } = image;
    expect(rootfs.look("wild/one.txt")).toBe("file 644 0:0");
    expect(rootfs.text("wild/sp ace.txt")).toBe("space");
    expect(rootfs.look("wild/three.log")).toBe("absent");
    expect(rootfs.text("classes/three.log")).toBe("three");
    expect(rootfs.text("classes/a")).toBe("a");
    expect(rootfs.look("nothing")).toBe("absent");
    expect(rootfs.text("optional/one.txt")).toBe("one");
  });

  test("links: named ones are followed, those below a folder are kept (D102)", () => {
    const { rootfs } = image;
    expect(rootfs.lookAll(["new/link", "new/abs", "new/dangling"])).toEqual({
      "new/link": "link a",
      "new/abs": "link /etc/passwd",
      "new/dangling": "link nowhere",
    });
    expect(rootfs.look("followed")).toBe("file 644 0:0");
    expect(rootfs.look("followed-dir/sub/b")).toBe("file 640 0:0");
    expect(rootfs.text("followed-wild/linkfile")).toBe("a");
    expect(rootfs.look("followed-wild/sub/b")).toBe("file 640 0:0");
  });

  test("links of the destination are followed within the root filesystem (D102)", () => {
    const { rootfs } = image;
    expect(rootfs.text("exists/one.txt")).toBe("one");
    expect(rootfs.text("deep/er/one.txt")).toBe("one");
    expect(rootfs.text("escape/one.txt")).toBe("one");
    expect(rootfs.look("to-exists")).toBe("link /exists");
    expect(rootfs.text("deep/file")).toBe("one");
    expect(rootfs.look("to-file")).toBe("link /deep/file");
  });

  test("owners (D100)", () => {
    expect(
      image.rootfs.lookAll(["by-name", "by-names", "by-number", "by-numbers", "par/ent", "par/ent/file"]),
    ).toEqual({
      "by-name": "file 644 1000:1001",
      "by-names": "file 644 1000:50",
      "by-number": "file 644 1234:1234",
      "by-numbers": "file 644 1234:99",
      "par/ent": "folder 755 9:9",
      "par/ent/file": "file 644 9:9",
    });
  });

  test("modes, also of folders made on the way (D096, D101)", () => {
    expect(
      image.rootfs.lookAll([
        ...["octal", "octal/sub", "octal/a", "octal/link", "octal-parent", "octal-parent/file"],
        ...["symbolic/sub", "symbolic/sub/b", "symbolic/a"],
        ...["symbolic-parent", "symbolic-parent/exec.sh", "symbolic-parent/one.txt", "suid"],
      ]),
    ).toEqual({
      octal: "folder 600 0:0",
      "octal/sub": "folder 600 0:0",
      "octal/a": "file 600 0:0",
      "octal/link": "link a",
      "octal-parent": "folder 700 0:0",
      "octal-parent/file": "file 700 0:0",
      "symbolic/sub": "folder 755 0:0",
      "symbolic/sub/b": "file 644 0:0",
      "symbolic/a": "file 644 0:0",
      "symbolic-parent": "folder 755 0:0",
      "symbolic-parent/exec.sh": "file 711 0:0",
      "symbolic-parent/one.txt": "file 600 0:0",
      suid: "file 4755 0:0",
    });
  });

  test("--exclude (D106)", () => {
    expect(image.rootfs.lookAll(["excluded/a", "excluded/x.log", "excluded/sub", "excluded/sub/b"])).toEqual({
      "excluded/a": "file 644 0:0",
      "excluded/x.log": "absent",
      "excluded/sub": "absent",
      "excluded/sub/b": "absent",
    });
    expect(image.rootfs.look("excluded-but/sub/b")).toBe("file 640 0:0");
    expect(image.rootfs.look("excluded-but/a")).toBe("absent");
  });

  test("--parents (D107)", () => {
    expect(
      image.rootfs.lookAll([
        ...["parents/dir", "parents/dir/sub", "parents/dir/sub/b", "parents/dir/a"],
        ...["pivot/sub/b", "pivot/dir", "any-depth/dir/sub/b", "any-depth/dir/a", "parents-optional/one.txt"],
      ]),
    ).toEqual({
      "parents/dir": "folder 711 0:0",
      "parents/dir/sub": "folder 750 0:0",
      "parents/dir/sub/b": "file 640 0:0",
      "parents/dir/a": "absent",
      "pivot/sub/b": "file 640 0:0",
      "pivot/dir": "absent",
      "any-depth/dir/sub/b": "file 640 0:0",
      "any-depth/dir/a": "absent",
      "parents-optional/one.txt": "file 644 0:0",
    });
  });

  test("--link, also with owners by name and modes (D108)", () => {
    expect(image.rootfs.lookAll(["linked", "linked/file", "linked-owned", "linked-mode"])).toEqual({
      linked: "folder 755 0:0",
      "linked/file": "file 644 0:0",
      "linked-owned": "file 644 1000:50",
      "linked-mode": "file 600 0:0",
    });
  });

  test("other stages and images keep owners, modes and hard links (D100, D109)", () => {
    const { rootfs } = image;
    expect(rootfs.lookAll(["kept", "kept/own", "kept-file", "kept-by-link/own", "from-image"])).toEqual({
      kept: "folder 755 0:0",
      "kept/own": "file 644 7:8",
      "kept-file": "file 644 7:8",
      "kept-by-link/own": "file 644 7:8",
      "from-image": "file 755 0:0",
    });
    expect(rootfs.inode("kept/own")).toBe(rootfs.inode("kept/own2"));
  });

  test("names with spaces and beyond ASCII", () => {
    expect(image.rootfs.text("sp ace/d est")).toBe("space");
    expect(image.rootfs.text("ünï/cødé.txt")).toBe("unicode");
    const names = readdirSync(join(image.rootfs.folder, "bytes"), { encoding: "buffer" });
    expect(names.map((name) => name.toString("latin1"))).toEqual(["bytes-\xff\xe9"]);
  });

  test("hard links, pipes and sockets arrive as such (D102)", () => {
    const { rootfs } = image;
    expect(rootfs.inode("new/hard1")).toBe(rootfs.inode("new/hard2"));
    expect(rootfs.look("new/fifo")).toBe("fifo 620 0:0");
    expect(rootfs.text("sock-kind")).toBe("socket\n");
    // Tar has no sockets: later steps see them, images never have them.
    expect(rootfs.look("new/sock")).toBe("absent");
  });

  test("times to the nanosecond and attributes are in the layer (D103, D104)", async () => {
    const last = await image.layer(-1);
    expect(last.mtimeNs("last-dir/sub/b")).toBe(B_TIME);
    expect(last.mtimeNs("last-dir/sub")).toBe(SUB_TIME);
    expect(await last.xattr("last-dir/sub/b", "user.note")).toBe("kept");
    expect(last.inode("last-dir/hard1")).toBe(last.inode("last-dir/hard2"));
    expect(last.look("last-dir/fifo")).toBe("fifo 620 0:0");
    expect(last.look("last")).toBe("absent");
    const file = await image.layer(-2);
    expect(file.mtimeNs("last")).toBe(B_TIME);
    expect(await file.xattr("last", "user.note")).toBe("kept");
  });
});

describe.skipIf(reason !== undefined)("COPY --link", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  test("is not done again when what is below it changes (D108)", async () => {
    const folder = world.context("linked", {
      Dockerfile: "FROM busybox\nARG N\nRUN echo $N > /n\nCOPY --link one /one\nCOPY two /two\n",
      one: "one",
      two: "two",
    });
    await world.build(folder, "-t", "linked", "--build-arg", "N=1");
    const flags = ["build", "--progress=rawjson", "-t", "linked", "--build-arg", "N=2", folder];
    const { stderr } = await world.ok(flags);
    const cached = (name: string): boolean =>
      stderr.split("\n").some((line) => line.includes(`"name":"${name}"`) && line.includes('"cached":true'));
    expect(cached("[3/4] COPY --link one /one")).toBe(true);
    expect(cached("[4/4] COPY two /two")).toBe(false);
    expect(await world.inside("linked", "cat", "/n", "/one", "/two")).toBe("2\nonetwo");
  });
});

describe.skipIf(reason !== undefined)("COPY that cannot be", () => {
  const world = new World();
  let folder: string;

  beforeAll(async () => {
    await importBusybox(world);
    folder = makeSources(world, "sources");
    mkdirSync(join(folder, "clash/x"), { recursive: true });
  });
  afterAll(() => world.close());

  test.each([
    ["a folder onto a file", "COPY dir /etc/passwd", /"\/etc\/passwd".*a file is in the way/],
    [
      "a file onto a folder",
      "RUN mkdir -p /d/one.txt\nCOPY one.txt /d/",
      /cannot replace the folder "\/d\/one.txt" with a file/,
    ],
    [
      "a nested folder onto a file",
      "RUN mkdir /c && touch /c/x\nCOPY clash /c",
      /cannot copy a folder to "\/c\/x": a file is in the way/,
    ],
    ["below a file", "COPY one.txt /etc/passwd/x", /a file is in the way/],
    [
      "several matches onto one name",
      "COPY *.txt /onefile",
      /cannot copy both "one.txt" and "sp ace.txt" to "\/onefile", which is not a folder[\s\S]*slash[\s\S]*: \/onefile\//,
    ],
    [
      "several files onto a name that is free",
      "COPY one.txt two.txt /onefile",
      /cannot copy both "one.txt" and "two.txt" to "\/onefile", which is not a folder/,
    ],
    [
      "several files onto a file",
      "COPY one.txt two.txt /etc/passwd",
      /cannot copy both "one.txt" and "two.txt"/,
    ],
    ["a file twice", "COPY one.txt one.txt /x", /cannot copy "one.txt" twice to "\/x"/],
    ["a file and a folder onto one name", "COPY one.txt dir /x", /cannot copy both "one.txt" and "dir"/],
    [
      "several heredocs onto one name",
      "COPY <<a <<b /x\n1\na\n2\nb",
      /cannot copy both "a" and "b" to "\/x"/,
    ],
    ["a user who is not there", "COPY --chown=nobody9 one.txt /x", /no user named "nobody9"/],
    ["a group that is not there", "COPY --chown=root:nogroup9 one.txt /x", /no group named "nogroup9"/],
    ["a link to nothing", "COPY dangling /x", /"\/?dangling".*not found/],
    ["a missing file beside one that is there", "COPY one.txt missing.txt /x/", /missing\.txt.*not found/],
    ["a missing file of a stage", "COPY --from=busybox /missing /x", /missing.*not found/],
    ["a missing path with --parents", "COPY --parents dir/missing /x/", /dir\/missing.*not found/],
    [
      "a circle of links",
      "RUN ln -s /b /a && ln -s /a /b\nCOPY one.txt /a/",
      /too many levels of symbolic links/,
    ],
  ])("%s", async (_name, lines, message) => {
    world.context("sources", { Dockerfile: `FROM busybox\n${lines}\n` });
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", folder]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/Dockerfile:[23]/);
    expect(code).toBe(1);
  });

  test("several sources are welcome where a folder is or comes to be", async () => {
    const lines = [
      "FROM busybox",
      "COPY dir clash /merged",
      "COPY dir one.txt /fromdir",
      "RUN mkdir /there",
      "COPY one.txt two.txt /there",
      "RUN test -f /merged/a && test -d /merged/x && test -f /fromdir/one.txt && test -f /there/two.txt",
    ];
    world.context("sources", { Dockerfile: `${lines.join("\n")}\n` });
    await world.ok(["build", "--progress=plain", folder]);
  });
});
