/**
 * `node test/faults/weaken.ts [WORD…]`: takes one defence after another out of a copy of tsbuild and runs the tests that have to
 * notice (weaken-list.ts; words choose some by name). Prints a table; fails when a weak build passes. Needs root, and takes minutes.
 *
 * A weak build attacks the machine that it runs on. So all of it happens on a copy of this machine: a mount namespace whose root is an
 * overlay, written to memory, with a name of its own (uts), and pid and ipc namespaces: one of the attacks is `kill -9 -1`. What a weak build
 * overwrites is gone with the process.
 */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { type Weakening, weakenings } from "./weaken-list.ts";

const repository = join(import.meta.dirname, "../..");
const INSIDE = "TSBUILD_WEAKEN_INSIDE";
const PATIENCE_MS = 20 * 60_000;

/** Mounts a throw-away copy of the machine and goes on in it. */
const ENTER = `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
for name in sys dev; do mount --rbind /$name /mnt/root/$name; done
mount -t proc proc /mnt/root/proc
for name in tmp var/tmp; do mount -t tmpfs -o mode=1777 tmpfs /mnt/root/$name; done
mount -t tmpfs tmpfs /mnt/root/mnt
cd /mnt/root
pivot_root . .
umount -l .
cd "$0"
exec "$@"`;

function enterCopy(): number {
  const args = [
    "-muipf",
    "--kill-child",
    "sh",
    "-c",
    ENTER,
    repository,
    process.execPath,
    ...process.argv.slice(1),
  ];
  const { status } = spawnSync("unshare", args, { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } });
  return status ?? 1;
}

/** The repository's files as they are, with what was installed; folders of packages hold links to each other, which lead into the copy. */
function copyRepository(to: string): void {
  const listed = execFileSync("git", ["ls-files", "-coz", "--exclude-standard"], {
    cwd: repository,
    maxBuffer: 2 ** 26,
  });
  for (const name of listed.toString().split("\0").filter(Boolean)) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(repository, name), join(to, name), { verbatimSymlinks: true });
  }
  for (const folder of ["packages", "native"]) {
    for (const name of readdirSync(join(repository, folder))) {
      const modules = join(folder, name, "node_modules");
      if (!existsSync(join(repository, modules))) continue;
      cpSync(join(repository, modules), join(to, modules), { recursive: true, verbatimSymlinks: true });
    }
  }
  mkdirSync(join(to, "node_modules"));
  for (const name of readdirSync(join(repository, "node_modules"))) {
    const [from, target] = [join(repository, "node_modules", name), join(to, "node_modules", name)];
    if (name.startsWith("@tsbuild")) cpSync(from, target, { recursive: true, verbatimSymlinks: true });
    else symlinkSync(from, target);
  }
}

function apply(folder: string, { edits }: Weakening): () => void {
  const before = edits.map(
    ({ file }) => [join(folder, file), readFileSync(join(folder, file), "utf8")] as const,
  );
  for (const { file, from, to } of edits) {
    const text = readFileSync(join(folder, file), "utf8");
    if (text.split(from).length !== 2)
      throw new Error(`${file}: not there exactly once: ${JSON.stringify(from)}`);
    writeFileSync(
      join(folder, file),
      text.replace(from, () => to),
    );
  }
  return () => {
    for (const [path, text] of before.toReversed()) writeFileSync(path, text);
  };
}

/** What stands for all tests where they were killed as a whole: nothing but an attack that works does that. */
const ALL_KILLED = "it killed its tests";

interface Outcome {
  readonly built: boolean;
  readonly failed: readonly string[];
  readonly passed: number;
}

interface Results {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly title: string }[];
  }[];
}

/** Runs the tests of some files, or those among them whose names match. */
function runSome(folder: string, files: readonly string[], pattern?: string): Omit<Outcome, "built"> {
  const report = join(folder, "results.json");
  rmSync(report, { force: true });
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  const options = ["--project", "unit", "--project", "system", "--reporter=json", `--outputFile=${report}`];
  const named = pattern === undefined ? [] : ["-t", pattern];
  const { signal } = spawnSync(process.execPath, [vitest, "run", ...options, ...named, ...files], {
    cwd: folder,
    stdio: "ignore",
    timeout: PATIENCE_MS,
    env: { ...process.env, TSBUILD_TEST_PROGRAM: join(folder, "packages/cli/dist/tsbuild.js") },
  });
  if (!existsSync(report)) return { failed: signal === "SIGKILL" ? [ALL_KILLED] : [], passed: 0 };
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Results;
  const all = testResults.flatMap(({ name, status, assertionResults }) =>
    // A file whose hooks fail has no failed test.
    status === "failed" && !assertionResults.some((one) => one.status === "failed")
      ? [{ status, title: name.slice(folder.length + 1) }]
      : assertionResults,
  );
  const failed = all.filter(({ status }) => status === "failed").map(({ title }) => title);
  return { failed, passed: all.filter(({ status }) => status === "passed").length };
}

function runTests(folder: string, tests: readonly string[]): Omit<Outcome, "built"> {
  const whole = tests.filter((test) => !test.includes(": "));
  const named = tests.filter((test) => test.includes(": ")).map((test) => test.split(": "));
  const results = [
    ...(whole.length === 0 ? [] : [runSome(folder, whole)]),
    ...(named.length === 0
      ? []
      : [
          runSome(
            folder,
            [...new Set(named.map(([file = ""]) => file))],
            named.map(([, words]) => words).join("|"),
          ),
        ]),
  ];
  return {
    failed: results.flatMap(({ failed }) => failed),
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
  };
}

/** All that the program is made of, or, where only tests of packages are run, which run the sources, the native program. */
function build(folder: string, weakening?: Weakening): boolean {
  const places =
    weakening === undefined ? [] : [...weakening.tests, ...weakening.edits.map(({ file }) => file)];
  const whole = places.length === 0 || places.some((place) => /^(test|native\/fs)\//.test(place));
  const script = whole ? "scripts/prepare.ts" : "native/sandbox/build.ts";
  const { status, stderr } = spawnSync(process.execPath, [script], { cwd: folder, encoding: "utf8" });
  if (status !== 0) process.stderr.write(stderr.slice(0, 4000));
  return status === 0;
}

function attempt(folder: string, weakening: Weakening): Outcome {
  const restore = apply(folder, weakening);
  try {
    return build(folder, weakening)
      ? { built: true, ...runTests(folder, weakening.tests) }
      : { built: false, failed: [], passed: 0 };
  } finally {
    restore();
  }
}

/** A weak build is noticed by a test that fails, not by one that cannot run. */
function verdict({ built, failed, passed }: Outcome): string {
  if (!built) return "DOES NOT BUILD";
  if (failed.length === 0) return passed === 0 ? "NO TEST RAN" : "NOT NOTICED";
  return "noticed";
}

/** Entries whose sources have changed since: they say nothing until they are written anew. */
function checkEdits(chosen: readonly Weakening[]): void {
  const stale = chosen.filter(({ edits }) =>
    edits.some(({ file, from }) => readFileSync(join(repository, file), "utf8").split(from).length !== 2),
  );
  if (stale.length > 0)
    throw new Error(`these do not apply any more: ${stale.map(({ name }) => name).join("; ")}`);
}

function campaign(words: readonly string[]): number {
  const chosen = weakenings.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
  checkEdits(chosen);
  const folder = mkdtempSync("/tmp/tsbuild-weaken-");
  copyRepository(folder);
  const tests = [...new Set(chosen.flatMap((one) => one.tests))];
  console.log(`the copy of ${repository} is ${folder}`);
  if (!build(folder)) throw new Error("the copy does not build");
  console.log("it builds");
  const sound = runTests(folder, tests);
  console.log(
    `sound build: ${sound.passed} tests pass, ${sound.failed.length} fail: ${sound.failed.join("; ")}`,
  );
  if (sound.failed.length > 0) return 1;
  let missed = 0;
  for (const weakening of chosen) {
    const started = Date.now();
    const outcome = attempt(folder, weakening);
    const said = verdict(outcome);
    if (said !== "noticed") missed++;
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(
      `${said} | ${weakening.name} | ${outcome.failed.length} of ${outcome.failed.length + outcome.passed}: ${outcome.failed[0] ?? "-"} | ${seconds} s`,
    );
  }
  console.log(`${chosen.length} defences, ${missed} missed`);
  return missed === 0 ? 0 : 1;
}

const { positionals } = parseArgs({ allowPositionals: true });
if (process.getuid?.() !== 0) throw new Error("weak builds need root");
process.exitCode = process.env[INSIDE] === undefined ? enterCopy() : campaign(positionals);
