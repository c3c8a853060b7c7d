import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Pack } from "../../packages/cli/src/boot/program.ts";
import { ownNode } from "../node-pages.ts";
import type { Chunk } from "./chunks.ts";
import { writePack } from "./packs.ts";
import type { Act, Rehearsal } from "./rehearsal.ts";

/** Stands for the address of a registry that is there while the project is built. */
const REGISTRY = "registry.invalid";

type Commands = readonly (readonly string[])[];

/** What users do with a small project. */
interface Script {
  readonly first: Commands;
  /** Everything is cached and nothing is made of it. */
  readonly unchanged: Commands;
  /** The same, with an image. */
  readonly tagged: Commands;
  /** The image is made anew and pushed, and built on where it is not. */
  readonly pushed: Commands;
  readonly others: Commands;
}

/** Most needed first. */
type PackList = readonly [program: Pack, image: Pack, steps: Pack, registry: Pack, rest: Pack];

/**
 * Packs chunks by who needs them: a fully cached build; one that makes an image; one that runs steps; one that speaks to a registry; the others. V8's code of each pack is left beside
 * it. All that is found out by trying: a project is built, and built again. Where a build does not work on this machine, the program starts slower and
 * that is all.
 */
export async function packByUse(dist: string, chunks: readonly Chunk[]): Promise<PackList> {
  const folder = await mkdtemp(join(tmpdir(), "tsbuild-warm-"));
  try {
    const script = await project(folder);
    const all = await writePack(dist, "all", chunks);
    const { first, unchanged, tagged, pushed } = script;
    const acts = [first, unchanged, tagged, pushed].map((commands) => ({ commands }));
    const [steps = [], program = [], image = [], registry = []] = await rehearse(folder, {
      dist,
      packs: [all],
      acts,
    });
    await rm(join(dist, `${all.name}.js`));
    const packs = await writePacks(dist, chunks, [program, image, steps, registry]);
    await rehearse(folder, { dist, packs, acts: keptActs(script, packs) });
    return packs;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writePacks(
  dist: string,
  chunks: readonly Chunk[],
  [program = [], image = [], steps = [], registry = []]: readonly (readonly string[])[],
): Promise<PackList> {
  const packed = new Set<string>();
  /** Those that are in none yet. */
  const write = (name: string, ids: readonly string[]): Promise<Pack> => {
    const wanted = new Set(ids.filter((id) => !packed.has(id)));
    for (const id of wanted) packed.add(id);
    return writePack(
      dist,
      name,
      chunks.filter(({ id }) => wanted.has(id)),
    );
  };
  return [
    await write("program", program),
    await write("image", image),
    await write("steps", steps),
    await write("registry", registry),
    await write(
      "rest",
      chunks.map(({ id }) => id),
    ),
  ];
}

/**
 * The code of a pack is taken before anything is done that others need: what that adds to it, all would read. Not so the program's: of what is in it, building
 * needs 400 functions that a cached build does not. Compiled as they come they are 20 ms of a build with many steps; that they are there is not to be seen of a cached one.
 */
function keptActs(
  { first, unchanged, tagged, pushed, others }: Script,
  [program, image, steps, registry, rest]: PackList,
): readonly Act[] {
  const anew = first.map((command) => [...command, "--no-cache"]);
  return [
    { commands: unchanged },
    { commands: tagged, keep: image.name },
    { commands: anew, keep: steps.name },
    { commands: [], keep: program.name },
    { commands: pushed, keep: registry.name },
    { commands: others, keep: rest.name },
  ];
}

async function rehearse(
  folder: string,
  rehearsal: Omit<Rehearsal, "evaluated" | "registry">,
): Promise<readonly (readonly string[])[]> {
  const evaluated = join(folder, "evaluated.json");
  await rm(evaluated, { force: true });
  const file = join(import.meta.dirname, "rehearsal.ts");
  // The same flags as in bin/tsbuild: V8 takes no code that was made with others.
  const spaces = ["--min-semi-space-size=10", "--max-semi-space-size=10"];
  const command = [ownNode, "--disable-warning=ExperimentalWarning", ...spaces, file];
  const argument: Rehearsal = { ...rehearsal, evaluated, registry: REGISTRY };
  const [program = ownNode, ...args] = [...asRoot(rehearsal.dist), ...command, JSON.stringify(argument)];
  spawnSync(program, args, {
    env: { ...process.env, TSBUILD_ROOT: join(folder, "state"), NODE_COMPILE_CACHE: "" },
    stdio: "ignore",
    timeout: 60_000,
  });
  return existsSync(evaluated) ? (JSON.parse(await readFile(evaluated, "utf8")) as string[][]) : [];
}

/** As bin/tsbuild starts a user's program. */
function asRoot(dist: string): readonly string[] {
  const program = join(dist, "tsbuild-userns");
  return process.getuid?.() === 0 || !existsSync(program) ? [] : [program];
}

async function project(folder: string): Promise<Script> {
  const [base, app, on] = [join(folder, "base"), join(folder, "app"), join(folder, "on")];
  for (const one of [base, app, on]) await mkdir(one);
  await writeFile(join(base, "true.c"), "int main(void) { return 0; }\n");
  const runs = spawnSync("cc", ["-static", "-o", "true", "true.c"], { cwd: base }).status === 0;
  await writeFile(join(base, "Dockerfile"), `FROM scratch\nCOPY ${runs ? "true" : "true.c"} /true\n`);
  await writeFile(
    join(app, "Dockerfile"),
    [
      ...(runs ? ["FROM tsbuild.invalid/base AS other", 'RUN ["/true"]'] : []),
      "FROM tsbuild.invalid/base",
      "ARG A=1",
      "ENV B=$A",
      "LABEL c=$B",
      "WORKDIR /w",
      "COPY . .",
      ...(runs ? ['RUN ["/true"]', "COPY --from=other /true /other"] : []),
      'CMD ["/true"]',
      "",
    ].join("\n"),
  );
  await writeFile(join(on, "Dockerfile"), "ARG REGISTRY\nFROM $REGISTRY/app\nCOPY Dockerfile /\n");
  const build = ["build", "--progress=plain"];
  const first = [
    [...build, "-t", "tsbuild.invalid/base", base],
    [...build, "-t", "app", app],
  ];
  const nothing = [...build, "--output", "type=cacheonly", app];
  const tagged = [...build, "-t", "app", app];
  const push = [...build, "--output", `type=image,name=${REGISTRY}/app,push=true`, app];
  const elsewhere = ["--root", join(folder, "elsewhere"), "--build-arg", `REGISTRY=${REGISTRY}`];
  // An option of an output is looked at before the build.
  const asked = [...build, "--output", "type=image,name=app,compression=gzip", app];
  // Twice: what a second one finds differs from what the first left.
  return {
    first,
    unchanged: [nothing, nothing],
    tagged: [tagged, tagged, asked],
    pushed: [[...push, "--no-cache"], push, [...build, ...elsewhere, "--output", "type=cacheonly", on]],
    others: [["history", "ls"], ["du"]],
  };
}
