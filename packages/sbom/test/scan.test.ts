import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { nativeFs } from "@tsbuild/native-fs";
import { expect, onTestFinished, test } from "vitest";
import { type Inventory, scanRoot } from "../src/index.ts";

type Tree = Readonly<Record<string, string | Buffer>>;

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "sbom-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

function rootOf(tree: Tree): string {
  const root = folder();
  for (const [path, content] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

async function scan(path: string): Promise<Inventory> {
  const root = nativeFs.openFolder(path);
  try {
    const { signal } = new AbortController();
    return await scanRoot({ fs: nativeFs, root, signal, temporaryFolder: folder });
  } finally {
    nativeFs.close(root);
  }
}

const STATUS = "Package: base-files\nStatus: install ok installed\nVersion: 12.4\nArchitecture: amd64\n";
const found = ({ packages }: Inventory) =>
  packages.map(({ type, name, version }) => `${type} ${name} ${version}`);

test("a root with everything in it", async () => {
  const root = rootOf({
    "etc/os-release": "ID=debian\nVERSION_ID=12\n",
    "var/lib/dpkg/status": STATUS,
    "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 1\n",
    "var/lib/dpkg/status.d/tzdata.md5sums": "Package: not-one\nVersion: 1\n",
    "usr/share/doc/base-files/copyright": "see /usr/share/common-licenses/GPL-2.\n",
    "lib/apk/db/installed": "P:musl\nV:1.2\n",
    "app/node_modules/left-pad/package.json": '{"name":"left-pad","version":"1.3.0"}',
    "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA": "Name: six\nVersion: 1.16.0\n\n",
  });
  const inventory = await scan(root);
  expect(found(inventory).sort()).toEqual([
    "apk musl 1.2",
    "deb base-files 12.4",
    "deb tzdata 1",
    "npm left-pad 1.3.0",
    "pypi six 1.16.0",
  ]);
  expect(inventory.packages.find(({ name }) => name === "base-files")?.licenses).toEqual(["GPL-2"]);
  expect(inventory).toMatchObject({ distribution: { id: "debian", versionId: "12" }, notes: [] });
});

test("an rpm database is read from a copy, with what its log still holds", async () => {
  const root = rootOf({ "usr/lib/sysimage/rpm/x": "" });
  mkdirSync(join(root, "var/lib"), { recursive: true });
  symlinkSync("/usr/lib/sysimage/rpm", join(root, "var/lib/rpm"));
  const database = new DatabaseSync(join(root, "usr/lib/sysimage/rpm/rpmdb.sqlite"));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  database.exec("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL)");
  const header = Buffer.alloc(8 + 32 + 8);
  header.writeUInt32BE(2, 0);
  for (const [index, tag] of [1000, 1001].entries()) {
    header.writeInt32BE(tag, 8 + index * 16);
    header.writeUInt32BE(6, 12 + index * 16);
    header.writeUInt32BE(index * 4, 16 + index * 16);
  }
  header.write("zsh\x005.9\x00", 40);
  database.prepare("INSERT INTO Packages (blob) VALUES (?)").run(header);
  // Still open: the row is in the log and nowhere else.
  const inventory = await scan(root);
  database.close();
  expect(found(inventory)).toEqual(["rpm zsh 5.9"]);
  expect(inventory.notes).toEqual([]);
});

test("what cannot be read is noted, and the rest is found", async () => {
  const root = rootOf({
    "var/lib/dpkg/status": STATUS,
    "var/lib/rpm/Packages": "\0\0\0",
    "usr/lib/sysimage/rpm/rpmdb.sqlite": "not seen: the first folder is taken",
    "app/node_modules/bad/package.json": "{",
    "app/node_modules/deep/package.json": "[".repeat(3_000_000),
    "app/node_modules/large/package.json": "",
    "usr/bin/program": Buffer.concat([Buffer.from("\x7fELF\x02\x01", "latin1"), Buffer.alloc(8000, 0xff)]),
  });
  truncateSync(join(root, "app/node_modules/large/package.json"), 2 ** 40);
  chmodSync(join(root, "usr/bin/program"), 0o755);
  const inventory = await scan(root);
  expect(found(inventory)).toEqual(["deb base-files 12.4"]);
  expect(inventory.notes.map((note) => note.replace(/: .*/, "")).sort()).toEqual([
    "/app/node_modules/bad/package.json",
    "/app/node_modules/deep/package.json",
    "/app/node_modules/large/package.json",
    "/var/lib/rpm/Packages",
  ]);
  expect(inventory.notes.join("\n")).toContain("Packages: not read: it is not a hash of Berkeley DB");
});

test("links lead nowhere but into the root", async () => {
  const outside = rootOf({ status: STATUS, "doc/copyright": "see /usr/share/common-licenses/GPL-2\n" });
  const root = rootOf({ "var/lib/dpkg/x": "", "usr/share/doc/x": "", "app/node_modules/a/x": "" });
  symlinkSync(join(outside, "status"), join(root, "var/lib/dpkg/status"));
  symlinkSync("../../../../../../../../etc/os-release", join(root, "usr/lib-release"));
  symlinkSync(outside, join(root, "etc"));
  symlinkSync(join(outside, "status"), join(root, "app/node_modules/a/package.json"));
  expect(await scan(root)).toEqual({ distribution: undefined, packages: [], notes: [] });
});

test("names like those of paths reach no other file", async () => {
  const root = rootOf({
    "var/lib/dpkg/status": STATUS.replace("base-files", "../../../secret"),
    "secret/copyright": "see /usr/share/common-licenses/GPL-2\n",
  });
  const [package_] = (await scan(root)).packages;
  expect(package_).toMatchObject({ name: "../../../secret", licenses: [] });
});

test("an empty root has nothing", async () => {
  expect(await scan(folder())).toEqual({ distribution: undefined, packages: [], notes: [] });
});
