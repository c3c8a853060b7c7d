/**
 * Passes all tests: installs the Debian packages that the system tests work with (as root, where apt is), then types, lint, format, import
 * table, unit and system tests. Tests that a machine cannot run say why and are skipped.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Debian package by the program that the tests look for. */
const programs: Readonly<Record<string, string>> = {
  "/usr/bin/busybox": "busybox-static",
  "/usr/bin/docker-registry": "docker-registry",
  "/usr/bin/mmdebstrap": "mmdebstrap",
  "/usr/bin/skopeo": "skopeo",
  "/usr/bin/umoci": "umoci",
  "/usr/sbin/runc": "runc",
  "/usr/bin/podman": "podman",
  "/usr/bin/bzip2": "bzip2",
  "/usr/bin/xz": "xz-utils",
  "/usr/bin/zstd": "zstd",
  "/usr/bin/tmux": "tmux",
};

const bin = join(import.meta.dirname, "../node_modules/.bin");

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): number {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", env: { ...process.env, ...env } });
  if (error !== undefined) throw error;
  return status ?? 1;
}

function installPackages(): void {
  const wanted = Object.entries(programs).filter(([path]) => !existsSync(path));
  if (wanted.length === 0) return;
  const names = wanted.map(([, name]) => name);
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    console.log(`not installed, so their tests are skipped: ${names.join(", ")}`);
    return;
  }
  console.log(`installing ${names.join(", ")}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-qq"], env);
  if (run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], env) !== 0) {
    console.log("apt-get failed: the tests that need these packages are skipped");
  }
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
}

function vitest(folder: string): number {
  const report = join(folder, "report.json");
  const status = run(join(bin, "vitest"), [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
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
