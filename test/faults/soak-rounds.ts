import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nativeFs } from "@tsbuild/native-fs";
import { fsckStore, openStore } from "@tsbuild/store";
import type { TestRegistry } from "@tsbuild/testkit";
import { mountsOf, runningCommands } from "../e2e/processes.ts";
import type { Finished, World } from "../e2e/world.ts";

/** What a soak needs besides its state folder: a registry to pull from, and an image layer to serve. */
export interface SoakWorld {
  readonly world: World;
  readonly registry: TestRegistry;
  readonly layer: Buffer;
}

export interface SoakReport {
  readonly kills: number;
  /** Rounds whose command had ended before it was to be killed. */
  readonly survived: number;
  /** Kills by what was killed. */
  readonly by: Readonly<Record<string, number>>;
}

/** Numbers of [0, 1), the same for one seed (mulberry32). */
export function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const MEDIA = "application/vnd.oci.image";
/** Rounds between two prunes that must leave nothing behind. */
const PRUNE_EVERY = 10;

/** An image that nobody has pulled yet. */
function publish({ registry, layer }: SoakWorld, tag: string): string {
  const diffId = registry.blob(layer);
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      os: "linux",
      config: { Labels: { tag } },
      rootfs: { type: "layers", diff_ids: [diffId] },
    }),
  );
  const document = {
    schemaVersion: 2,
    mediaType: `${MEDIA}.manifest.v1+json`,
    config: { mediaType: `${MEDIA}.config.v1+json`, digest: registry.blob(config), size: config.length },
    layers: [{ mediaType: `${MEDIA}.layer.v1.tar`, digest: diffId, size: layer.length }],
  };
  registry.manifest("base", tag, document, document.mediaType);
  return `${registry.host}/base:${tag}`;
}

interface Round {
  readonly soak: SoakWorld;
  readonly number: number;
  readonly marker: string;
  readonly draw: () => number;
}

function contextOf({ soak, number, marker, draw }: Round, base: string): string {
  return soak.world.context("ctx", {
    Dockerfile: [
      `FROM --platform=linux/amd64 ${base} AS made`,
      "COPY files /files/",
      `RUN --mount=type=cache,id=soak,target=/c : ${marker}; echo ${number} >> /c/log; mkdir /d; echo ${number} > /d/n; sleep 0.1`,
      `FROM --platform=linux/amd64 ${base}`,
      "COPY --from=made /d /d",
      `RUN : ${marker}; rm -r /home && echo ${Math.floor(draw() * 3)} > /n`,
      "COPY --link files/f1 /m",
    ].join("\n"),
    "files/f1": `${number}`,
    "files/f2": randomBytes(200_000),
  });
}

/** The commands that are killed, by name. */
function commands(round: Round): Readonly<Record<string, readonly string[]>> {
  const { soak, number, draw } = round;
  const { world } = soak;
  const known = contextOf(round, publish(soak, `v${number % 7}`));
  const build = ["build", "--progress=plain", "-t", "soak"];
  const out = world.path("out");
  mkdirSync(out, { recursive: true });
  const size = `${1 + Math.floor(draw() * 8)}MB`;
  return {
    build: [...build, known],
    "build without cache": [...build, "--no-cache", known],
    "export oci": [...build, "-o", `type=oci,dest=${out}/image.tar`, known],
    "export docker": [...build, "-o", `type=docker,compression=zstd,dest=${out}/docker.tar`, known],
    "export layout": [...build, "-o", `type=oci,tar=false,dest=${out}/layout`, known],
    "export local": [...build, "-o", `type=local,dest=${out}/local`, known],
    prune: ["prune", "-f"],
    "prune all": ["prune", "--all", "-f"],
    "prune to a size": ["prune", "--max-used", size, "-f"],
    "mounts import": ["cache", "mounts", "import", "soak", world.path("busybox.tar")],
    "fsck repair": ["fsck", "--repair"],
  };
}

/** Kills `kills` commands at random moments. Throws at the first thing that is not as it should be. */
export async function runSoak(
  soak: SoakWorld,
  options: { readonly kills: number; readonly seed: number; readonly onRound?: (text: string) => void },
): Promise<SoakReport> {
  const draw = numbers(options.seed);
  const marker = `soak-${process.pid}-${options.seed}`;
  const by: Record<string, number> = {};
  let kills = 0;
  let survived = 0;
  await soak.world.ok(["--root", soak.world.root, "images"]);
  for (let number = 1; kills < options.kills; number++) {
    const round = { soak, number, marker, draw };
    const all = Object.entries(commands(round));
    // Half of what is killed are builds: they do the most.
    const [name, args] = draw() < 0.3 ? all[0]! : all[Math.floor(draw() * all.length)]!;
    const killAfterMs = Math.floor(30 + draw() * (/build|export/.test(name) ? 650 : 220));
    const where = `round ${number}: ${name}, killed after ${killAfterMs} ms`;
    const finished = await killed(soak, round, { args, killAfterMs, where });
    if (finished.code === 137) {
      kills++;
      by[name] = (by[name] ?? 0) + 1;
    } else survived++;
    options.onRound?.(`${where}: exit ${finished.code}`);
    await expectSound(soak, { marker, where });
    if (number % PRUNE_EVERY === 0) await expectNoOrphans(soak, where);
  }
  await expectNoOrphans(soak, "at the end");
  return { kills, survived, by };
}

/** Every third command has a build or a prune beside it, which must not notice. */
async function killed(
  { world }: SoakWorld,
  round: Round,
  {
    args,
    killAfterMs,
    where,
  }: { readonly args: readonly string[]; readonly killAfterMs: number; readonly where: string },
): Promise<Finished> {
  const beside =
    round.number % 3 !== 0
      ? undefined
      : world.tsbuild(
          round.number % 2 === 0 ? ["prune", "-f"] : ["build", "--progress=plain", world.path("ctx")],
        );
  const finished = await world.tsbuild(args, { killAfterMs });
  if (![0, 137].includes(finished.code))
    throw new Error(`${where}: exit ${finished.code}\n${finished.stderr}`);
  const other = await beside;
  if (other !== undefined && other.code !== 0)
    throw new Error(`beside ${where}: exit ${other.code}\n${other.stderr}`);
  return finished;
}

/** Nothing of the killed runs any more, the next build works, what was exported is whole, and the store is sound. */
async function expectSound(
  { world }: SoakWorld,
  { marker, where }: { readonly marker: string; readonly where: string },
): Promise<void> {
  for (let wait = 0; wait < 60 && runningCommands(marker).length > 0; wait++) await sleep(50);
  const running = runningCommands(marker);
  if (running.length > 0) throw new Error(`${where}: still running: ${running.join("; ")}`);
  const next = await world.tsbuild(["build", "--progress=plain", "-t", "soak", world.path("ctx")]);
  if (next.code !== 0) throw new Error(`the build after ${where}: exit ${next.code}\n${next.stderr}`);
  const index = world.path("out", "layout", "index.json");
  if (existsSync(index)) JSON.parse(readFileSync(index, "utf8"));
  const store = openStore({ root: world.root, native: nativeFs });
  try {
    const { problems } = await fsckStore(store, { deep: true, repair: false });
    if (problems.length > 0) throw new Error(`${where}: ${JSON.stringify(problems)}`);
  } finally {
    await store.close();
  }
}

/** After a prune: no lease, no trash, no lock, no mount, no temporary file beside an output. */
async function expectNoOrphans({ world }: SoakWorld, where: string): Promise<void> {
  await world.ok(["prune", "--all", "-f"]);
  const left = ["leases", "trash", "locks"].flatMap((folder) =>
    readdirSync(join(world.root, "v1", folder)).map((name) => `${folder}/${name}`),
  );
  const mounts = mountsOf(world.folder);
  const out = existsSync(world.path("out")) ? readdirSync(world.path("out")) : [];
  // A temporary file goes with the next export to the same name.
  const stale = out.filter((name) => name.endsWith(".tmp"));
  for (const name of ["image.tar", "docker.tar"]) {
    if (!stale.some((file) => file.includes(name))) continue;
    const type = name === "image.tar" ? "oci" : "docker";
    await world.ok(["build", "-o", `type=${type},dest=${world.path("out", name)}`, world.path("ctx")]);
  }
  const after = existsSync(world.path("out")) ? readdirSync(world.path("out")) : [];
  const orphans = [...left, ...mounts, ...after.filter((name) => name.endsWith(".tmp"))];
  if (orphans.length > 0) throw new Error(`${where}: left after a prune: ${orphans.join(", ")}`);
  rmSync(world.path("out"), { recursive: true, force: true });
}
