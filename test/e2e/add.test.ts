import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BuiltImage, buildRootfs } from "./rootfs.ts";
import { tarOf } from "./tar.ts";
import { importBusybox, missing, World } from "./world.ts";

const reason = missing("busybox", "tar", "gzip", "bzip2", "xz", "zstd", "getfattr");
if (reason !== undefined) console.log(`skipped: end-to-end archives: ${reason}`);

const COMPRESSORS = ["gzip", "bzip2", "xz", "zstd"];

/** A context of archives that all hold the same. */
function makeArchives(world: World, dockerfile: string): string {
  const folder = world.context("archives", {
    Dockerfile: dockerfile,
    "text.gz": gzipSync("only text"),
    "tree.txt": "no archive, though the name of another one begins so",
  });
  const tree = world.context("tree", { file: "file", "sub/deep": "deep" });
  chmodSync(tree, 0o700);
  chmodSync(join(tree, "file"), 0o604);
  chmodSync(join(tree, "sub"), 0o711);
  symlinkSync("/etc/passwd", join(tree, "link"));
  const pack = ["-C", tree, "--owner=3", "--group=4", "--mtime=2001-02-03 04:05:06Z"];
  execFileSync("tar", [...pack, "-cf", join(folder, "tree.tar"), "."]);
  execFileSync("tar", [...pack, "-cf", join(folder, "only-deep.tar"), "sub/deep"]);
  for (const program of COMPRESSORS) {
    // Names that say nothing: the content decides.
    execFileSync("sh", ["-c", `${program} -c tree.tar > ${program}.bin`], { cwd: folder });
  }
  return folder;
}

const DOCKERFILE = [
  "FROM busybox",
  "RUN mkdir -m 0751 /dest && chown 11:12 /dest && mkdir /inside && ln -s /inside /sub && ln -s /inside /via && ln -s /new /via-missing",
  "ADD tree.tar /tar/",
  ...COMPRESSORS.map((program) => `ADD ${program}.bin /${program}`),
  "ADD tree.tar /dest/",
  "ADD text.gz tree.txt /plain/",
  "ADD --chown=5:6 tree.tar /owned/",
  "ADD --chmod=0640 tree.tar /moded/",
  "ADD --unpack=false tree.tar /packed/",
  "ADD only-deep.tar /",
  "ADD only-deep.tar /via/",
  "ADD only-deep.tar /via-missing/",
  "COPY tree.tar /copied/",
].join("\n");

describe.skipIf(reason !== undefined)("ADD of archives", () => {
  const world = new World();
  let image: BuiltImage;

  beforeAll(async () => {
    await importBusybox(world);
    image = await buildRootfs(world, makeArchives(world, DOCKERFILE));
  });
  afterAll(() => world.close());

  test.each(["tar", ...COMPRESSORS])("%s is unpacked, whatever its name is (D110)", (name) => {
    const { rootfs } = image;
    const inside = ["file", "sub", "sub/deep", "link"].map((path) => `${name}/${path}`);
    expect(Object.values(rootfs.lookAll(inside))).toEqual([
      "file 604 3:4",
      "folder 711 3:4",
      "file 644 3:4",
      "link /etc/passwd",
    ]);
    expect(rootfs.text(`${name}/sub/deep`)).toBe("deep");
    expect(rootfs.mtimeNs(`${name}/sub`)).toBe(981_173_106_000_000_000n);
    expect(rootfs.look(name)).toBe("folder 755 0:0");
  });

  test("the archive's own root changes nothing about the destination; --chown holds for all of it, --chmod for nothing (D100)", () => {
    const { rootfs } = image;
    const of = ["dest", "owned", "moded"].flatMap((name) => [name, `${name}/file`]);
    expect(rootfs.lookAll([...of, "owned/sub"])).toEqual({
      dest: "folder 751 11:12",
      "dest/file": "file 604 3:4",
      owned: "folder 755 5:6",
      "owned/file": "file 604 5:6",
      "owned/sub": "folder 711 5:6",
      moded: "folder 755 0:0",
      "moded/file": "file 604 3:4",
    });
  });

  test("what is no archive, or is not to be unpacked, is copied", () => {
    const { rootfs } = image;
    expect(readdirSync(join(rootfs.folder, "plain"))).toEqual(["text.gz", "tree.txt"]);
    expect(readdirSync(join(rootfs.folder, "packed"))).toEqual(["tree.tar"]);
    expect(readdirSync(join(rootfs.folder, "copied"))).toEqual(["tree.tar"]);
  });

  test("links of the destination lead to places in the image", () => {
    const { rootfs } = image;
    expect(rootfs.text("inside/deep")).toBe("deep");
    expect(rootfs.look("sub")).toBe("link /inside");
    expect(rootfs.text("inside/sub/deep")).toBe("deep");
    expect(rootfs.text("new/sub/deep")).toBe("deep");
    expect(existsSync("/inside")).toBe(false);
  });
});

describe.skipIf(reason !== undefined)("ADD of hostile archives", () => {
  const world = new World();
  beforeAll(() => importBusybox(world));
  afterAll(() => world.close());

  test.each([
    ["a name with ..", [{ name: "../../../../../../../../../../tmp/tsbuild-escaped", data: "x" }]],
    ["an absolute name", [{ name: "/tmp/tsbuild-escaped", data: "x" }]],
    [
      "a file through a link to the root",
      [
        { name: "l", type: "symlink", target: "/" },
        { name: "l/tmp/tsbuild-escaped", data: "x" },
      ],
    ],
    [
      "a file through a link upwards",
      [
        { name: "l", type: "symlink", target: "../../../../../../../.." },
        { name: "l/tmp/tsbuild-escaped", data: "x" },
      ],
    ],
    [
      "a file written through a link",
      [
        { name: "l", type: "symlink", target: "/tmp/tsbuild-escaped" },
        { name: "l", data: "x" },
      ],
    ],
  ] as const)("%s stays inside", async (_name, members) => {
    const folder = world.context("hostile", { Dockerfile: "FROM busybox\nADD bad.tar /evil/\n" });
    writeFileSync(join(folder, "bad.tar"), tarOf(members));
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", folder]);
    expect([0, 1]).toContain(code);
    if (code === 1) expect(stderr).toMatch(/>>> ADD bad\.tar/);
    expect(existsSync("/tmp/tsbuild-escaped")).toBe(false);
    expect(stderr).not.toMatch(/assertion failed/);
  });

  test("a hard link to a file outside gives nothing of that file away", async () => {
    const secret = world.path("secret");
    writeFileSync(secret, "secret of the host");
    for (const target of [secret, `../../../../../../../../../..${secret}`]) {
      const folder = world.context("hard", { Dockerfile: "FROM busybox\nADD bad.tar /evil/\n" });
      writeFileSync(join(folder, "bad.tar"), tarOf([{ name: "h", type: "link", target }]));
      const { code, stderr } = await world.tsbuild(["build", "--progress=plain", folder]);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/bad\.tar|"?h"?/);
    }
  });

  test("an archive that is cut off or damaged is an error, and leaves no step behind", async () => {
    const folder = world.context("cut", { Dockerfile: "FROM busybox\nADD bad.tar /x/\n" });
    const whole = tarOf([
      { name: "a", data: "a" },
      { name: "b", data: "b".repeat(100_000) },
    ]);
    for (const bytes of [whole.subarray(0, 60_000), gzipSync(whole).subarray(0, -40)]) {
      writeFileSync(join(folder, "bad.tar"), bytes);
      const { code, stderr } = await world.tsbuild(["build", "--progress=plain", folder]);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/>>> ADD bad\.tar/);
    }
  });
});

interface Served {
  body: Buffer;
  etag: string;
}

const MODIFIED = "Sat, 03 Feb 2001 04:05:06 GMT";

/** A server whose files have validators; counts what it is asked. */
class FileServer {
  readonly files = new Map<string, Served>();
  readonly answers: string[] = [];
  #server: Server | undefined;

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const file = this.files.get(request.url ?? "");
      const status = file === undefined ? 404 : request.headers["if-none-match"] === file.etag ? 304 : 200;
      this.answers.push(`${status} ${request.url}`);
      const headers = file === undefined ? {} : { ETag: file.etag, "Last-Modified": MODIFIED };
      response.writeHead(status, headers).end(status === 200 ? file?.body : undefined);
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
  }

  url(path: string): string {
    const address = this.#server?.address() as AddressInfo | undefined;
    return `http://127.0.0.1:${address?.port}${path}`;
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

describe.skipIf(reason !== undefined)("ADD of URLs", () => {
  const world = new World();
  const server = new FileServer();
  const body = Buffer.from("downloaded");
  const digest = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  let folder: string;

  beforeAll(async () => {
    await importBusybox(world);
    await server.start();
    server.files.set("/file.txt", { body, etag: '"1"' });
    server.files.set("/some/a%20name", { body, etag: '"1"' });
    server.files.set("/tree.tar.gz", { body: gzipSync(tarOf([{ name: "in", data: "in" }])), etag: '"1"' });
    mkdirSync(world.path("urls"), { recursive: true });
    folder = world.context("urls", {
      Dockerfile: [
        "FROM busybox",
        `ADD ${server.url("/file.txt")} /into/`,
        `ADD ${server.url("/file.txt")} /named`,
        `ADD --chown=1:2 --chmod=640 ${server.url("/file.txt")} /mode`,
        `ADD --checksum=${digest} ${server.url("/file.txt")} /checked`,
        `ADD ${server.url("/some/a%20name")} /into/`,
        `ADD ${server.url("/tree.tar.gz")} /packed/`,
        `ADD --unpack=true ${server.url("/tree.tar.gz")} /unpacked/`,
        "RUN date > /after",
      ].join("\n"),
    });
  });
  afterAll(() => {
    server.close();
    world.close();
  });

  test("name, owner, mode and time; archives stay packed unless asked (D111)", async () => {
    const { rootfs } = await buildRootfs(world, folder);
    expect(
      rootfs.lookAll(["into/file.txt", "named", "mode", "checked", "into/a name", "unpacked/in"]),
    ).toEqual({
      "into/file.txt": "file 600 0:0",
      named: "file 600 0:0",
      mode: "file 640 1:2",
      checked: "file 600 0:0",
      "into/a name": "file 600 0:0",
      "unpacked/in": "file 644 0:0",
    });
    expect(rootfs.text("named")).toBe("downloaded");
    expect(rootfs.mtimeNs("named")).toBe(BigInt(Date.parse(MODIFIED)) * 1_000_000n);
    expect(rootfs.look("packed/tree.tar.gz")).toBe("file 600 0:0");
  });

  test("unchanged files are asked for by ETag and their steps are cached; changed ones are not", async () => {
    server.answers.length = 0;
    const again = await world.build(folder);
    expect(again).toMatch(/RUN date[^\n]*\n#\d+ CACHED/);
    expect(server.answers.filter((answer) => !answer.startsWith("304"))).toEqual([]);
    expect(server.answers.length).toBeGreaterThanOrEqual(3);
    server.files.set("/tree.tar.gz", { body: gzipSync(tarOf([{ name: "new", data: "n" }])), etag: '"2"' });
    const changed = await world.build(folder);
    expect(changed).toMatch(/a%20name[^\n]*\n#\d+ CACHED/);
    expect(changed).not.toMatch(/RUN date[^\n]*\n#\d+ CACHED/);
  });

  test.each([
    [
      "a wrong checksum",
      (url: string) => `--checksum=sha256:${"0".repeat(64)} ${url}`,
      /file\.txt: expected sha256:0000.*got sha256:/,
    ],
    ["a file that is not there", (url: string) => url.replace("file.txt", "nothing"), /nothing.*404/],
  ])("%s is an error", async (_name, source, message) => {
    const failing = world.context("bad-url", {
      Dockerfile: `FROM busybox\nADD ${source(server.url("/file.txt"))} /x\n`,
    });
    const { code, stderr } = await world.tsbuild(["build", "--progress=plain", failing]);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/Dockerfile:2/);
    expect(code).toBe(1);
  });
});
