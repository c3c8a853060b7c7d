/**
 * Start to exit of `true`: the native sandbox, an overlay mount included, against a bare `runc run` of the same OCI spec on a plain folder,
 * and `unshare` as the floor; interleaved, so that the machine's drift hits all alike. `pnpm bench:sandbox [ROUNDS]`, as root.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeFs } from "@tsbuild/native-fs";
import { bundleSpec, createSandbox, type ExecSpec, readHostFacts, toRuntimeSpec } from "@tsbuild/sandbox";
import { buildSandbox } from "../../native/sandbox/build.ts";
import { findProgram, runOk } from "../e2e/world.ts";

const FOLDERS = ["bin", "proc", "sys", "dev", "tmp"];

function specOf(rootFd: number): ExecSpec {
  return {
    rootFd,
    readonlyRoot: false,
    args: ["/bin/true"],
    env: ["PATH=/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0, additionalGids: [0] },
    hostname: "bench",
    mounts: [],
    network: "host",
    security: "sandbox",
    rlimits: [],
    shmSizeBytes: 64 * 1024 * 1024,
    cgroup: { parent: "" },
    id: "bench",
    stdio: "log",
  };
}

/** Rejects unless the program ends with 0. */
function runProgram(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve() : reject(new Error(`${program}: exit ${code}`))));
  });
}

async function makeRootfs(folder: string): Promise<string> {
  const rootfs = join(folder, "rootfs");
  for (const name of FOLDERS) mkdirSync(join(rootfs, name), { recursive: true });
  await runOk("cp", ["/usr/bin/busybox", join(rootfs, "bin/true")]);
  return rootfs;
}

/** The sandbox on a fresh writable layer over `rootfs`. */
function nativeRun(folder: string, rootfs: string): () => Promise<void> {
  const sandbox = createSandbox({ binary: buildSandbox() });
  const ignore = (): void => undefined;
  let count = 0;
  return async () => {
    const [upper, work] = [join(folder, `upper${++count}`), join(folder, `work${count}`)];
    for (const path of [upper, work]) mkdirSync(path);
    const root = nativeFs.mountOverlay({ lowers: [rootfs], upper, work, userxattr: false, volatile: true });
    const signal = new AbortController().signal;
    const { exitCode } = await sandbox.run(specOf(root), { stdout: ignore, stderr: ignore, signal });
    nativeFs.close(root);
    if (exitCode !== 0) throw new Error(`the sandbox: exit ${exitCode}`);
  };
}

function runcRun(folder: string): () => Promise<void> {
  const runtime = toRuntimeSpec(specOf(0), readHostFacts());
  const { spec } = bundleSpec(runtime, folder, { confined: true, grouped: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
  let count = 0;
  return () => {
    const id = `tsbuild-bench-${process.pid}-${++count}`;
    return runProgram("runc", ["--root", join(folder, "state"), "run", "--bundle", folder, id]);
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function measure(rounds: number, programs: ReadonlyMap<string, () => Promise<void>>): Promise<void> {
  const samples = new Map<string, number[]>([...programs.keys()].map((name) => [name, []]));
  // Round 0 fills caches and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of programs) {
      const started = process.hrtime.bigint();
      await run();
      if (round > 0) samples.get(name)?.push(Number(process.hrtime.bigint() - started) / 1e6);
    }
  }
  const own = median(samples.get("sandbox") ?? []);
  for (const [name, list] of samples) {
    const ratio = name === "sandbox" ? "" : `  sandbox/${name} = ${(own / median(list)).toFixed(2)}`;
    console.log(
      `  ${name.padEnd(10)} ${median(list).toFixed(1).padStart(6)} ms  least ${Math.min(...list).toFixed(1)}${ratio}`,
    );
  }
}

if (process.getuid?.() !== 0) throw new Error("the benchmark needs root");
const folder = mkdtempSync(join(tmpdir(), "tsbuild-bench-"));
try {
  const rootfs = await makeRootfs(folder);
  const programs = new Map([
    ["sandbox", nativeRun(folder, rootfs)],
    ["unshare", () => runProgram("unshare", ["-mpinuf", "true"])],
  ]);
  if (findProgram("runc") === undefined) console.log("without runc: it is not installed");
  else programs.set("runc", runcRun(folder));
  console.log("start to exit of true, in one process that is already there");
  await measure(Number(process.argv[2] ?? "30"), programs);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
