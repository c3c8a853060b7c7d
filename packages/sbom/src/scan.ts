import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { TreeReader } from "@tsbuild/native-fs";
import { bounds } from "./bounds.ts";
import { apkPackages } from "./databases/apk.ts";
import { berkeleyHeaders, isBerkeleyHash } from "./databases/berkeley.ts";
import { copyrightLicenses } from "./databases/copyright.ts";
import { dpkgPackages } from "./databases/dpkg.ts";
import { isNdb, ndbHeaders } from "./databases/ndb.ts";
import { parseOsRelease } from "./databases/os-release.ts";
import { rpmPackage } from "./databases/rpm-header.ts";
import { RootFiles, type RootFilesOptions } from "./files.ts";
import { Findings } from "./findings.ts";
import { cargoPackages } from "./languages/cargo.ts";
import { type ReadAt, readElf } from "./languages/elf.ts";
import { goPackages } from "./languages/go.ts";
import { isInstalledNpmPackage, npmPackage } from "./languages/npm.ts";
import { isPythonMetadata, pythonPackage } from "./languages/python.ts";
import type { FoundPackage, Inventory } from "./types.ts";

export interface ScanOptions extends RootFilesOptions {
  readonly signal: AbortSignal;
  /** An empty folder of the host, for a copy of a database that has to be a file. */
  readonly temporaryFolder: () => string;
}

interface Scan extends ScanOptions {
  readonly files: RootFiles;
  readonly findings: Findings;
}

/** Where nothing is installed, and where other systems may be mounted. */
const SKIPPED = ["proc", "sys", "dev"];
/** Files that are looked into before other work gets its turn. */
const TURN = 200;

/**
 * What is installed in a root filesystem: by the databases of dpkg, apk and rpm, and by what npm, Python, Go and cargo-auditable leave
 * beside or inside their programs. All of it is a stranger's: paths are resolved by the kernel, sizes are bounded, and what cannot be
 * read is in the notes and stops nothing.
 */
export async function scanRoot(options: ScanOptions): Promise<Inventory> {
  const scan: Scan = { ...options, files: new RootFiles(options), findings: new Findings() };
  readDpkg(scan);
  for (const path of ["lib/apk/db/installed", "usr/lib/apk/db/installed"]) readApk(scan, path);
  await readRpm(scan);
  await readTree(scan);
  return { distribution: distributionOf(scan), ...scan.findings.inventory() };
}

function distributionOf({ files, findings }: Scan): Inventory["distribution"] {
  for (const path of ["etc/os-release", "usr/lib/os-release"]) {
    const found = findings.tryTo(path, () => {
      const bytes = files.read(path, bounds.metadataBytes);
      return bytes === undefined ? undefined : parseOsRelease(bytes.toString());
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

function readText({ files }: Scan, path: string, maxBytes: number): string | undefined {
  return files.read(path, maxBytes)?.toString();
}

function readDpkg(scan: Scan): void {
  const { files, findings } = scan;
  const folder = "var/lib/dpkg/status.d";
  // Beside each description there is a list of checksums.
  const parts = files.list(folder).filter((name) => !name.endsWith(".md5sums"));
  for (const path of ["var/lib/dpkg/status", ...parts.map((name) => `${folder}/${name}`)]) {
    findings.tryTo(path, () => {
      const text = readText(scan, path, bounds.databaseBytes);
      if (text === undefined) return;
      for (const found of dpkgPackages(text, path)) findings.add(withLicenses(scan, found));
    });
  }
}

function withLicenses(scan: Scan, found: FoundPackage): FoundPackage {
  // Debian's names have no slash; others are no folders of documents.
  if (!/^[a-z0-9][a-z0-9.+-]*$/i.test(found.name)) return found;
  const path = `usr/share/doc/${found.name}/copyright`;
  const licenses = scan.findings.tryTo(path, () =>
    copyrightLicenses(readText(scan, path, bounds.metadataBytes) ?? ""),
  );
  return { ...found, licenses: licenses ?? [] };
}

function readApk(scan: Scan, path: string): void {
  scan.findings.tryTo(path, () => {
    const text = readText(scan, path, bounds.databaseBytes);
    if (text !== undefined) scan.findings.addAll(apkPackages(text, path));
  });
}

const RPM_FOLDERS = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];

async function readRpm(scan: Scan): Promise<void> {
  const { files } = scan;
  for (const folder of RPM_FOLDERS) {
    const names = new Set(files.list(folder));
    if (names.has("rpmdb.sqlite")) await readRpmSqlite(scan, `${folder}/rpmdb.sqlite`);
    else if (names.has("Packages.db")) readRpmNdb(scan, `${folder}/Packages.db`);
    else if (names.has("Packages")) readRpmBerkeley(scan, `${folder}/Packages`);
    else continue;
    // One folder is usually a link to another.
    return;
  }
}

async function readRpmSqlite(scan: Scan, path: string): Promise<void> {
  const { sqliteHeaders } = await import("./databases/rpm-sqlite.ts");
  const { findings, files } = scan;
  findings.tryTo(path, () => {
    const copy = join(scan.temporaryFolder(), "rpmdb.sqlite");
    copyFile(files, path, copy);
    // What was written last may still be in the log beside it.
    copyFile(files, `${path}-wal`, `${copy}-wal`);
    addRpms(findings, path, sqliteHeaders(copy));
  });
}

function copyFile(files: RootFiles, path: string, target: string): void {
  const fd = openSync(target, "wx", 0o600);
  try {
    files.copy(path, fd, bounds.databaseFileBytes);
  } finally {
    closeSync(fd);
  }
}

function readRpmNdb(scan: Scan, path: string): void {
  readRpmPages(scan, path, { is: isNdb, headers: ndbHeaders, name: "rpm's own format" });
}

function readRpmBerkeley(scan: Scan, path: string): void {
  readRpmPages(scan, path, { is: isBerkeleyHash, headers: berkeleyHeaders, name: "a hash of Berkeley DB" });
}

interface PageFormat {
  readonly name: string;
  readonly is: (bytes: Buffer) => boolean;
  readonly headers: (bytes: Buffer) => Iterable<Buffer>;
}

function readRpmPages({ files, findings }: Scan, path: string, format: PageFormat): void {
  findings.tryTo(path, () => {
    const bytes = files.read(path, bounds.databaseBytes);
    if (bytes === undefined) return;
    if (format.is(bytes)) addRpms(findings, path, format.headers(bytes));
    else findings.note(path, `not read: it is not ${format.name}`);
  });
}

function addRpms(findings: Findings, path: string, headers: Iterable<Buffer>): void {
  for (const header of headers) {
    const found = findings.tryTo(path, () => rpmPackage(header, path));
    if (found !== undefined) findings.add(found);
  }
}

/** One pass over all names, in which the few files that matter are opened. */
async function readTree(scan: Scan): Promise<void> {
  const tree = new TreeReader(await scan.files.walk(SKIPPED));
  let opened = 0;
  for (let index = 0; index < tree.count; index++) {
    if (!tree.isFile(index)) continue;
    const look = reasonToLook(tree, index);
    if (look === undefined) continue;
    look(scan, tree.path(index));
    opened += 1;
    if (opened % TURN === 0) {
      await new Promise(setImmediate);
      scan.signal.throwIfAborted();
    }
  }
}

type Look = (scan: Scan, path: string) => void;

/** By name, mode and size: most files are told apart without making their path. */
function reasonToLook(tree: TreeReader, index: number): Look | undefined {
  const name = tree.name(index);
  if (name === "package.json") return isInstalledNpmPackage(tree.path(index)) ? readNpm : undefined;
  if (name === "METADATA" || name === "PKG-INFO" || name.endsWith(".egg-info")) {
    return isPythonMetadata(tree.path(index)) ? readPython : undefined;
  }
  const isProgram = (tree.mode(index) & 0o111) !== 0 || name.endsWith(".so");
  return isProgram && tree.size(index) >= SMALLEST_PROGRAM ? readProgram : undefined;
}

/** Bytes; none that lists modules is smaller. */
const SMALLEST_PROGRAM = 4096;

function readNpm(scan: Scan, path: string): void {
  readDescription(scan, path, npmPackage);
}

function readPython(scan: Scan, path: string): void {
  readDescription(scan, path, pythonPackage);
}

function readDescription(
  scan: Scan,
  path: string,
  parse: (text: string, foundIn: string) => FoundPackage | undefined,
): void {
  const found = scan.findings.tryTo(path, () => {
    const text = readText(scan, path, bounds.metadataBytes);
    return text === undefined ? undefined : parse(text, path);
  });
  if (found !== undefined) scan.findings.add(found);
}

function readProgram({ files, findings }: Scan, path: string): void {
  findings.tryTo(path, () =>
    files.withFile(path, (readAt: ReadAt) => {
      const elf = readElf(readAt);
      if (elf === undefined) return;
      findings.addAll(goPackages(elf, readAt, path));
      findings.addAll(cargoPackages(elf, readAt, path));
    }),
  );
}
