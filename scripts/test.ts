/**
 * Passes all tests: installs the Debian packages that the system tests work with (as root, where apt is), then types, lint, format, import
 * table, unit and system tests. Tests that a machine cannot run say why and are skipped.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian package by the program that the tests look for. */
const programs: Record<string, string> = {
  busybox: "busybox-static",
  "docker-registry": "docker-registry",
  mmdebstrap: "mmdebstrap",
  skopeo: "skopeo",
  umoci: "umoci",
  runc: "runc",
  podman: "podman",
  buildah: "buildah",
  bzip2: "bzip2",
  xz: "xz-utils",
  zstd: "zstd",
  setfattr: "attr",
  tmux: "tmux",
  newuidmap: "uidmap",
  slirp4netns: "slirp4netns",
  pasta: "passt",
  "qemu-aarch64-static": "qemu-user-static",
  // Last, and by itself: it cannot be installed beside Docker's own packages.
  dockerd: "docker.io",
};

/** Not on a person's machine: it opens the machine's port 22. */
if (process.env["CI"] !== undefined)
  Object.assign(programs, { sshd: "openssh-server", ssh: "openssh-client" });

/** Debian package by the library that is loaded where it is installed. */
const libraries: Record<string, string> = { "libisal.so.2": "libisal2" };

const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const libraryFolders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

const bin = join(import.meta.dirname, "../node_modules/.bin");

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): number {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
  if (error !== undefined) throw error;
  return status ?? 1;
}

function missingOf(packages: Readonly<Record<string, string>>, places: readonly string[]): string[] {
  return Object.entries(packages)
    .filter(([file]) => !places.some((folder) => existsSync(join(folder, file))))
    .map(([, name]) => name);
}

function missingPackages(): string[] {
  return [...missingOf(libraries, libraryFolders), ...missingOf(programs, folders)];
}

function installPackages(): void {
  const names = missingPackages();
  if (names.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    console.log(`not installed, so their tests are skipped: ${names.join(", ")}`);
    return;
  }
  console.log(`installing ${names.join(", ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const install = ["install", "-y", "-qq", "--no-install-recommends"];
  run("apt-get", ["update", "-qq"], env);
  run("apt-get", [...install, ...names.filter((name) => name !== "docker.io")], env);
  if (names.includes("docker.io")) run("apt-get", [...install, "docker.io"], env);
  const left = missingPackages();
  if (left.length > 0) console.log(`apt-get failed: the tests of ${left.join(", ")} are skipped`);
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

function vitest(folder: string): number {
  const report = join(folder, "report.json");
  const args = ["run", "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  // What people get, made just now by scripts/prepare.ts.
  const program = join(import.meta.dirname, "../packages/cli/dist/tsbuild.js");
  const status = run(join(bin, "vitest"), args, { TSBUILD_TEST_PROGRAM: program });
  if (existsSync(report)) {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(
      readFileSync(report, "utf8"),
    ) as Report;
    console.log(`\n${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
  }
  return status;
}

installPackages();
const folder = mkdtempSync(join(tmpdir(), "tsbuild-report-"));
const statuses = [
  run(join(bin, "tsc"), ["-p", "tsconfig.json", "--noEmit"]),
  run(join(bin, "biome"), ["check", "."]),
  vitest(folder),
];
rmSync(folder, { recursive: true, force: true });
process.exitCode = statuses.every((status) => status === 0) ? 0 : 1;
