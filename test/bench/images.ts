/**
 * Images in and out: exports against `tar` and the compressors, a pull, a push; interleaved, with the processor seconds of all processes
 * beside the seen time, since those say something on a busy machine, too. `pnpm bench:images [SLUG …] [--rounds N] [--scale 0.1]
 * [--with buildah] [--with docker]`, as root. The processor seconds of docker are those of its client: its daemon's are not told.
 */
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { busyboxTar, missing, run, runOk, World } from "../e2e/world.ts";
import { type DockerDaemon, startDockerDaemon } from "../interop/docker-daemon.ts";
import { type RegistryServer, startRegistryServer } from "../interop/registry-server.ts";
import { blobFiles, fillerFile, folderOfFiles, push, six } from "./image-inputs.ts";

const launcher = join(import.meta.dirname, "../../packages/cli/bin/tsbuild");

interface Sample {
  readonly wallS: number;
  readonly cpuS: number;
  readonly peakMb: number;
  readonly sizeMb: number | undefined;
}

/** One program of a case. */
interface Program {
  readonly name: string;
  readonly command: readonly string[];
  readonly root?: string | undefined;
  /** Not timed. */
  readonly before?: ((round: number) => Promise<void>) | undefined;
  /** What it writes, whose size is told. Removed afterwards. */
  readonly output?: string | undefined;
}

interface Case {
  readonly slug: string;
  readonly what: string;
  /** tsbuild first. */
  readonly programs: () => Promise<readonly Program[]>;
}

async function time(program: Program, round: number): Promise<Sample> {
  await program.before?.(round);
  const figures = world.path("figures");
  const env = { ...world.env, ...(program.root === undefined ? {} : { TSBUILD_ROOT: program.root }) };
  await runOk("/usr/bin/time", ["-o", figures, "-f", "%e %U %S %M", ...program.command], { env });
  const [wall = 0, user = 0, system = 0, peak = 0] = readFileSync(figures, "utf8").split(" ").map(Number);
  const { output } = program;
  const sizeMb = output === undefined ? undefined : statSync(output).size / 1e6;
  if (output !== undefined) rmSync(output);
  return { wallS: wall, cpuS: user + system, peakMb: peak / 1000, sizeMb };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function report({ slug, what }: Case, samples: ReadonlyMap<string, readonly Sample[]>): void {
  console.log(`\n${slug}: ${what}`);
  const middle = (list: readonly Sample[], of: (sample: Sample) => number): number => median(list.map(of));
  const [own = []] = samples.values();
  for (const [name, list] of samples) {
    const wall = middle(list, ({ wallS }) => wallS);
    const cpu = middle(list, ({ cpuS }) => cpuS);
    const size = middle(list, ({ sizeMb }) => sizeMb ?? Number.NaN);
    const peak = Math.max(...list.map(({ peakMb }) => peakMb));
    const ratios = `  ratio ${(middle(own, (one) => one.wallS) / wall).toFixed(2)}, cpu ${(middle(own, (one) => one.cpuS) / cpu).toFixed(2)}`;
    const parts = [
      `${wall.toFixed(2).padStart(7)} s`,
      `cpu ${cpu.toFixed(2).padStart(6)} s`,
      `peak ${peak.toFixed(0).padStart(4)} MB`,
      Number.isNaN(size) ? "" : `${size.toFixed(1)} MB`,
    ];
    console.log(`  ${name.padEnd(26)} ${parts.join("  ")}${list === own ? "" : ratios}`);
  }
}

async function measure(one: Case, rounds: number): Promise<void> {
  const programs = await one.programs();
  const samples = new Map<string, Sample[]>(programs.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round++)
    for (const program of programs) samples.get(program.name)?.push(await time(program, round));
  report(one, samples);
}

function build(folder: string, ...flags: string[]): string[] {
  return [launcher, "build", "--quiet", ...flags, folder];
}

/** A state folder with busybox in it, and no more; for what has to be done anew in each round. */
async function freshRoot(name: string): Promise<string> {
  const root = world.path(name);
  rmSync(root, { recursive: true, force: true });
  const env = { ...world.env, TSBUILD_ROOT: root };
  rootfs ??= await busyboxTar(world);
  await runOk(launcher, ["import", rootfs, "busybox", "--change", 'CMD ["sh"]'], { env });
  return root;
}

function buildah(...args: string[]): string[] {
  const storage = ["--root", world.path("buildah/root"), "--runroot", world.path("buildah/run")];
  return ["buildah", ...storage, "--storage-driver", "overlay", ...args];
}

/** Others that pull: they unpack into their own storage, emptied before. */
async function pullers(name: string): Promise<Program[]> {
  const found: Program[] = [];
  if (values.with.includes("buildah")) {
    const [program = "", ...remove] = buildah("rmi", "--all", "--force");
    const before = async (): Promise<void> => void (await run(program, remove));
    found.push({
      name: "buildah pull",
      command: buildah("pull", "--quiet", "--tls-verify=false", name),
      before,
    });
  }
  if (values.with.includes("docker")) {
    daemon ??= await startDockerDaemon(world);
    const client = ["--host", daemon.host];
    const before = async (): Promise<void> => void (await run("docker", [...client, "rmi", "--force", name]));
    found.push({ name: "docker pull", command: ["docker", ...client, "pull", "--quiet", name], before });
  }
  return found;
}

const COMPRESSORS = { uncompressed: "cat", gzip: "pigz -6 -c", zstd: "zstd -3 -T0 -q -c" } as const;

/** The build is there, nothing of it is packed: what is timed is the export. */
function exportCase(compression: keyof typeof COMPRESSORS): Case {
  const programs = async (): Promise<Program[]> => {
    const folder = world.path("large");
    await fillerFile(join(folder, "big.bin"), 1024 * 1024 * 1024 * scale);
    writeFileSync(join(folder, "Dockerfile"), "FROM scratch\nCOPY big.bin /big.bin\n");
    const output = world.path("out.tar");
    const root = world.path("export-root");
    const before = async (): Promise<void> => {
      const env = { ...world.env, TSBUILD_ROOT: await freshRoot("export-root") };
      await runOk(launcher, build(folder, "--output", "type=cacheonly").slice(1), { env });
      await runOk("sync", []);
    };
    const destination = `type=oci,compression=${compression},dest=${output}`;
    const pipe =
      compression === "uncompressed"
        ? ["tar", "--create", "--file", output, "--directory", folder, "big.bin"]
        : ["sh", "-c", `tar -c -C ${folder} big.bin | ${COMPRESSORS[compression]} > ${output}`];
    return [
      { name: "tsbuild", command: build(folder, "--output", destination), root, before, output },
      { name: `tar | ${COMPRESSORS[compression]}`, command: pipe, output },
    ];
  };
  return { slug: `export-${compression}`, what: `a large file, built before, as OCI tar`, programs };
}

const manyFiles: Case = {
  slug: "run-20k-gzip",
  what: "20,000 files made by a RUN, as OCI tar with gzip (BuildKit seen: 19.9 s)",
  programs: async () => {
    const folder = world.path("many");
    const script = folderOfFiles(folder, Math.round(100 * scale));
    const output = world.path("many.tar");
    const before = async (): Promise<void> => void (await freshRoot("many-root"));
    const by = `mkdir ${world.path("by-hand")}; D=${world.path("by-hand")} SEED=${folder}/seed.tar sh ${script}`;
    const hand = `${by}; tar -c -C ${world.path("by-hand")} . | pigz -6 -c > ${output}; rm -r ${world.path("by-hand")}`;
    const root = world.path("many-root");
    return [
      {
        name: "tsbuild",
        command: build(folder, "--output", `type=oci,dest=${output}`),
        root,
        before,
        output,
      },
      { name: "the script, tar | pigz -6", command: ["sh", "-ec", hand], output },
    ];
  },
};

const pull: Case = {
  slug: "pull-six",
  what: "600 MB in six layers, pulled and unpacked (BuildKit seen: 13.3 s)",
  programs: async () => {
    const server = await registry();
    const name = `${server.host}/bench/six:latest`;
    await push(launcher, { world, name, folder: six(world.path("six"), scale) });
    const blobs = blobFiles(world.path("registry"), await server.manifest("bench/six:latest"));
    const target = world.path("unpacked");
    const folder = world.path("pull");
    mkdirSync(folder);
    writeFileSync(join(folder, "Dockerfile"), `FROM ${name}\nCOPY Dockerfile /\n`);
    const root = world.path("pull-root");
    const each = `for b in ${blobs.join(" ")}; do mkdir -p ${target}/\${b%/data}; tar -xzf $b -C ${target}/\${b%/data}; done`;
    return [
      {
        name: "tsbuild",
        command: build(folder, "--output", "type=cacheonly"),
        root,
        before: async () => void (await freshRoot("pull-root")),
      },
      {
        name: "tar -xzf, one by one",
        command: ["sh", "-ec", each],
        before: async () => rmSync(target, { recursive: true, force: true }),
      },
      ...(await pullers(name)),
    ];
  },
};

const repush: Case = {
  slug: "push-one-changed",
  what: "one source of 200 changed, built again and pushed (BuildKit seen: 0.72 s)",
  programs: async () => {
    const server = await registry();
    const folder = world.path("app");
    mkdirSync(join(folder, "src"), { recursive: true });
    for (let i = 0; i < 200; i++) writeFileSync(join(folder, `src/m${i}.src`), `${i}\n`.repeat(1000));
    const lines = ["FROM busybox AS build", "WORKDIR /w", "COPY src src", "RUN cat src/* > all"];
    writeFileSync(
      join(folder, "Dockerfile"),
      [...lines, "FROM busybox", "COPY --from=build /w/all /all", "RUN test -s /all", ""].join("\n"),
    );
    const root = await freshRoot("app-root");
    const command = build(folder, "--push", "-t", `${server.host}/bench/app:latest`);
    await runOk(launcher, command.slice(1), { env: { ...world.env, TSBUILD_ROOT: root } });
    const before = async (round: number): Promise<void> =>
      writeFileSync(join(folder, "src/m7.src"), `round ${round} of ${process.pid}\n`);
    return [
      { name: "tsbuild", command, root, before },
      { name: "node -e 0", command: [process.execPath, "-e", "0"] },
    ];
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    scale: { type: "string", default: "1" },
    with: { type: "string", multiple: true, default: [] },
  },
});
const reason = missing("busybox", "tar", "pigz", "zstd", "docker-registry", "skopeo", "time");
if (reason !== undefined) throw new Error(`the benchmark ${reason}`);
const scale = Number(values.scale);
const world = new World();
let server: RegistryServer | undefined;
let daemon: DockerDaemon | undefined;
let rootfs: string | undefined;

async function registry(): Promise<RegistryServer> {
  server ??= await startRegistryServer(world);
  return server;
}

try {
  const exports = (["uncompressed", "gzip", "zstd"] as const).map(exportCase);
  for (const one of [...exports, manyFiles, pull, repush])
    if (positionals.length === 0 || positionals.includes(one.slug)) await measure(one, Number(values.rounds));
} finally {
  await daemon?.close();
  await server?.close();
  // Buildah leaves its storage mounted on itself.
  await run("umount", ["--lazy", world.path("buildah/root/overlay")]);
  // Deleting last: for a minute after a mass deletion ext4 creates files more slowly.
  world.close();
}
