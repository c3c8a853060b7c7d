/**
 * Measures whole commands, interleaved: each round runs every program once, so that the machine's drift hits all alike. Prints medians, the ratio to the
 * baseline of the case, and the largest peak memory. `pnpm bench [SLUG …] [--rounds N] [--with buildah] [--with docker] [--as-user]`.
 *
 * Baselines: `node -e 0` for start-up, `find -printf` for walks, `cp -a` for copies, and buildah where it is asked for and installed.
 */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { identityOf } from "../e2e/user.ts";
import { busyboxTar, findProgram, missing, run, runOk, World } from "../e2e/world.ts";
import { type DockerDaemon, startDockerDaemon } from "../interop/docker-daemon.ts";
import { type Workload, workloads } from "./workloads.ts";

const launcher = join(import.meta.dirname, "../../packages/cli/bin/tsbuild");

interface Sample {
  readonly wallMs: number;
  readonly peakBytes: number;
}

interface Program {
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs before each round, untimed. */
  readonly before?: (() => void | Promise<void>) | undefined;
}

/** Peak resident size of a process, read while it runs: the kernel forgets it with the process. */
function watchPeak(pid: number): () => number {
  let peak = 0;
  const read = (): void => {
    try {
      const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      peak = Math.max(peak, Number(line?.[1] ?? 0) * 1024);
    } catch {
      // Gone: what was seen last counts.
    }
  };
  const timer = setInterval(read, 5);
  return () => {
    clearInterval(timer);
    return peak;
  };
}

function time(program: Program): Promise<Sample> {
  const [file = "", ...args] = program.command;
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const child = spawn(file, args, {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, ...program.env },
    });
    const log: Buffer[] = [];
    child.stderr.on("data", (chunk: Buffer) => log.push(chunk));
    const peak = watchPeak(child.pid ?? 0);
    child.on("error", reject);
    child.on("close", (code) => {
      const wallMs = Number(process.hrtime.bigint() - started) / 1e6;
      const peakBytes = peak();
      if (code === 0) resolve({ wallMs, peakBytes });
      else
        reject(
          new Error(`${program.name}: exit ${code}\n${Buffer.concat(log).toString("utf8").slice(-2000)}`),
        );
    });
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function tsbuild(world: World, workload: Workload, folder: string): Program {
  const output = workload.flags.includes("--tag") ? [] : ["--output", "type=cacheonly"];
  const command = [launcher, "build", "--progress=plain", ...workload.flags, ...output, folder];
  const identity = world.user === undefined ? [] : identityOf(world.user);
  const name = world.user === undefined ? "tsbuild" : "as a user";
  return { name, command: [...identity, ...command], env: { ...world.env, TSBUILD_ROOT: world.root } };
}

/** Another state folder for each run, with the base image in it. */
function freshEachTime(world: World, program: Program): Program {
  const env: Record<string, string> = { ...program.env };
  let count = 0;
  const before = async (): Promise<void> => {
    env["TSBUILD_ROOT"] = world.path(`fresh-${count++}`);
    const args = ["import", world.path("busybox.tar"), "busybox", "--change", 'CMD ["sh"]'];
    await runOk(launcher, args, { env });
  };
  return { ...program, env, before };
}

/** A world of a normal user with subordinate ids, who is made for it. */
async function makeUserWorld(): Promise<{ readonly world: World; close(): Promise<void> }> {
  const name = `tsbuild-b${process.pid}`;
  await runOk("useradd", ["--no-create-home", "--home-dir", "/nonexistent", name]);
  process.env["TSBUILD_TEST_USER"] = name;
  const world = new World();
  delete process.env["TSBUILD_TEST_USER"];
  await world.ok(["import", await busyboxTar(world), "busybox", "--change", 'CMD ["sh"]']);
  return {
    world,
    close: async () => {
      world.close();
      await run("userdel", ["--force", name]);
    },
  };
}

function baseline(world: World, { baseline: kind }: Workload, folder: string): Program {
  if (kind === "find") return { name: "find -printf", command: ["find", folder, "-printf", "%p %s %T@\\n"] };
  if (kind === "copy")
    return {
      name: "cp -a",
      command: ["cp", "-a", "-T", folder, world.path("copy")],
      before: nextCopy(world),
    };
  return { name: "node -e 0", command: [process.execPath, "-e", "0"] };
}

/** Copies stay: removing so many files makes ext4 slow for a minute. */
function nextCopy(world: World): () => void {
  let count = 0;
  return () => {
    if (existsSync(world.path("copy"))) renameSync(world.path("copy"), world.path(`copy-${count++}`));
  };
}

function buildah(world: World, workload: Workload, folder: string): Program {
  const flags = workload.flags.includes("--no-cache") ? ["--no-cache"] : [];
  const root = [
    "--root",
    world.path("buildah/root"),
    "--runroot",
    world.path("buildah/run"),
    "--storage-driver",
    "overlay",
  ];
  const limits = ["--ulimit=nofile=20000:20000"];
  return {
    name: "buildah",
    command: [
      "buildah",
      ...root,
      "bud",
      "--layers",
      "--network=host",
      "--pull-never",
      "--jobs=16",
      "--runtime=runc",
      ...limits,
      ...flags,
      folder,
    ],
  };
}

/** Debian's docker.io brings BuildKit in its daemon and a client that speaks to it. */
function docker(daemon: DockerDaemon, workload: Workload, folder: string): Program {
  const flags = workload.flags.includes("--no-cache") ? ["--no-cache"] : [];
  const client = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
  const command = [
    client,
    "--host",
    daemon.host,
    "build",
    "--progress=plain",
    "--network=host",
    ...flags,
    folder,
  ];
  return { name: "docker", command, env: { DOCKER_BUILDKIT: "1" } };
}

async function measure(
  world: World,
  workload: Workload,
  options: {
    readonly rounds: number;
    readonly peers: readonly string[];
    readonly daemon: DockerDaemon | undefined;
    readonly userWorld: World | undefined;
  },
): Promise<void> {
  const folder = world.path("ctx", workload.slug);
  mkdirSync(folder, { recursive: true });
  workload.make(folder);
  const own = tsbuild(world, workload, folder);
  const programs = [workload.fresh ? freshEachTime(world, own) : own, baseline(world, workload, folder)];
  if (options.userWorld !== undefined) programs.push(tsbuild(options.userWorld, workload, folder));
  if (options.peers.includes("buildah")) programs.push(buildah(world, workload, folder));
  if (options.daemon !== undefined) programs.push(docker(options.daemon, workload, folder));
  const samples = new Map<string, Sample[]>(programs.map((program) => [program.name, []]));
  // Round 0 fills caches and does not count.
  for (let round = 0; round <= options.rounds; round++) {
    for (const program of programs) {
      workload.touch?.(folder, round);
      await program.before?.();
      const sample = await time(program);
      if (round > 0) samples.get(program.name)?.push(sample);
    }
  }
  report(workload, samples);
}

function report(workload: Workload, samples: ReadonlyMap<string, readonly Sample[]>): void {
  const own = median((samples.get("tsbuild") ?? []).map((sample) => sample.wallMs));
  console.log(`\n${workload.slug}: ${workload.what}`);
  for (const [name, list] of samples) {
    const wall = median(list.map((sample) => sample.wallMs));
    const peak = Math.max(...list.map((sample) => sample.peakBytes)) / 1e6;
    const ratio = name === "tsbuild" ? "" : `  tsbuild/${name} = ${(own / wall).toFixed(2)}`;
    const per =
      workload.per === undefined || name !== "tsbuild"
        ? ""
        : `  ${(wall / workload.per).toFixed(1)} ms per step`;
    console.log(
      `  ${name.padEnd(14)} ${wall.toFixed(0).padStart(7)} ms  peak ${peak.toFixed(0).padStart(4)} MB${ratio}${per}`,
    );
  }
}

/** Peers leave their storage mounted on itself. */
async function unmountBelow(folder: string): Promise<void> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounts.sort().reverse()) await run("umount", ["--lazy", path]);
}

async function importBase(world: World, peers: readonly string[]): Promise<void> {
  const tar = await busyboxTar(world);
  await world.ok(["import", tar, "busybox", "--change", 'CMD ["sh"]']);
  if (!peers.includes("buildah")) return;
  const root = [
    "--root",
    world.path("buildah/root"),
    "--runroot",
    world.path("buildah/run"),
    "--storage-driver",
    "overlay",
  ];
  const rootfs = world.context("buildah-base", { Dockerfile: "FROM scratch\nADD busybox.tar /\n" });
  await runOk("cp", [tar, rootfs]);
  await runOk("buildah", [...root, "bud", "-t", "busybox", rootfs]);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "7" },
    with: { type: "string", multiple: true, default: [] },
    "as-user": { type: "boolean", default: false },
  },
});
const reason = missing("busybox", "tar");
if (reason !== undefined) throw new Error(`the benchmark ${reason}`);
const peers = values.with.filter((name) => findProgram(name) !== undefined);
const world = new World();
let daemon: DockerDaemon | undefined;
let asUser: Awaited<ReturnType<typeof makeUserWorld>> | undefined;
try {
  await importBase(world, peers);
  if (values["as-user"]) {
    asUser = await makeUserWorld();
    // The user reads the same contexts.
    chmodSync(world.folder, 0o755);
  }
  if (values.with.includes("docker")) {
    daemon = await startDockerDaemon(world);
    await daemon.import(world.path("busybox.tar"), "busybox");
  }
  for (const workload of workloads) {
    if (positionals.length > 0 && !positionals.includes(workload.slug)) continue;
    await measure(world, workload, {
      rounds: Number(values.rounds),
      peers,
      daemon,
      userWorld: asUser?.world,
    });
  }
} finally {
  await daemon?.close();
  await asUser?.close();
  await unmountBelow(world.folder);
  // Deleting last: for a minute after a mass deletion ext4 creates files more slowly.
  world.close();
}
