import { existsSync, readFileSync, rmSync } from "node:fs";
import { nativeFs } from "@tsbuild/native-fs";
import { fsckStore, openStore } from "@tsbuild/store";
import { commandsLeft } from "../e2e/processes.ts";
import { type Finished, runOk } from "../e2e/world.ts";
import { orphans } from "./orphans.ts";
import { commands, type Round, type SoakWorld } from "./soak-commands.ts";

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

/** Rounds between two prunes that must leave nothing behind. */
const PRUNE_EVERY = 10;

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
    const drawn = all[Math.floor(draw() * all.length)]!;
    // What saves or shows the image needs one.
    const [name, args] = number === 1 ? all.find(([first]) => first.startsWith("build"))! : drawn;
    const killAfterMs = Math.floor(30 + draw() * (name.startsWith("build") ? 650 : 220));
    const where = `round ${number}: ${name}, killed after ${killAfterMs} ms`;
    const finished = await killed(soak, round, { args, killAfterMs, where });
    if (finished.code === 137) {
      kills++;
      by[name] = (by[name] ?? 0) + 1;
    } else survived++;
    options.onRound?.(`${where}: exit ${finished.code}`);
    await expectSound(soak, { marker, where, deep: number % PRUNE_EVERY === 0 });
    if (number % PRUNE_EVERY === 0) await expectNoOrphans(soak, { marker, where });
  }
  await expectNoOrphans(soak, { marker, where: "at the end" });
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

interface Where {
  readonly marker: string;
  readonly where: string;
}

/** Nothing of the killed runs any more, the next build works, what was exported is whole, and the store is sound. */
async function expectSound(
  { world }: SoakWorld,
  { marker, where, deep }: Where & { readonly deep: boolean },
): Promise<void> {
  const running = await commandsLeft(marker);
  if (running.length > 0) throw new Error(`${where}: still running: ${running.join("; ")}`);
  const next = await world.tsbuild(["build", "--progress=plain", "-t", "soak", world.path("ctx")]);
  if (next.code !== 0) throw new Error(`the build after ${where}: exit ${next.code}\n${next.stderr}`);
  for (const folder of ["layout", "cache"]) {
    const index = world.path("out", folder, "index.json");
    if (existsSync(index)) JSON.parse(readFileSync(index, "utf8"));
  }
  for (const name of ["image.tar", "docker.tar", "saved.tar"]) {
    const archive = world.path("out", name);
    if (existsSync(archive)) await runOk("tar", ["-tf", archive]);
  }
  const store = openStore({ root: world.root, native: nativeFs });
  try {
    const { problems } = await fsckStore(store, { deep, repair: false });
    if (problems.length > 0) throw new Error(`${where}: ${JSON.stringify(problems)}`);
  } finally {
    await store.close();
  }
}

async function expectNoOrphans({ world }: SoakWorld, { marker, where }: Where): Promise<void> {
  await world.ok(["prune", "--all", "-f"]);
  const found = await orphans(world, marker);
  if (found.length > 0) throw new Error(`${where}: left after a prune: ${found.join(", ")}`);
  rmSync(world.path("out"), { recursive: true, force: true });
}
