/**
 * Builds random contexts with BuildKit and with tsbuild, and prints where their images differ: every entry of every layer, configs, histories,
 * and whether they fail at all. Run by hand where a buildkitd runs, as root; needs busybox-static and tar.
 *
 *     node test/differential/run.ts --buildctl 'buildctl --addr unix:///run/buildkit/buildkitd.sock' [--kind build] [--first 0] [--rounds 100]
 *
 * Kinds: build (whole Dockerfiles), config (settings alone), ignore (what is left out), target (destinations). A finding is replayed by its number.
 * Ends with 1 when something differs that docs/differences.md does not have.
 */
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { busyboxTar, World } from "../e2e/world.ts";
import { Random } from "../fuzz/support/random.ts";
import { writeLayout } from "../interop/layout.ts";
import { buildCase } from "./build-case.ts";
import { type Builders, buildOurs, buildTheirs, type Result } from "./builders.ts";
import type { Case, CaseMaker } from "./case.ts";
import { type Difference, differences } from "./compare.ts";
import { configCase } from "./config-case.ts";
import { CONTEXT_TIME_S } from "./context.ts";
import { ignoreCase } from "./ignore-case.ts";
import { unknownDifferences } from "./known.ts";
import { targetCase } from "./target-case.ts";

const KINDS: Readonly<Record<string, CaseMaker>> = {
  build: buildCase,
  config: configCase,
  ignore: ignoreCase,
  target: targetCase,
};

/** Makes the case of a number, with its files written. */
function prepare(make: CaseMaker, number: number, folder: string): Case {
  mkdirSync(folder, { recursive: true });
  const one = make(new Random(number), folder);
  writeFileSync(join(folder, "Dockerfile"), one.dockerfile);
  if (one.ignore !== undefined) writeFileSync(join(folder, ".dockerignore"), one.ignore);
  utimesSync(folder, CONTEXT_TIME_S, CONTEXT_TIME_S);
  return one;
}

function compare(theirs: Result, ours: Result): Difference[] {
  if ("error" in theirs && "error" in ours) return [];
  if ("error" in theirs) return [{ place: "outcome", theirs: theirs.error, ours: "built" }];
  if ("error" in ours) return [{ place: "outcome", theirs: "built", ours: ours.error }];
  return differences(theirs, ours);
}

function print(number: number, { dockerfile, ignore, buildArgs }: Case, found: readonly Difference[]): void {
  console.log(`=== ${number} ${JSON.stringify(buildArgs)}\n${dockerfile}`);
  if (ignore !== undefined) console.log(`--- .dockerignore\n${ignore}\n`);
  for (const { place, theirs, ours } of found)
    console.log(`${place}\n  BuildKit: ${theirs}\n  tsbuild:  ${ours}`);
}

const { values } = parseArgs({
  options: {
    buildctl: { type: "string", default: "buildctl" },
    kind: { type: "string", default: "build" },
    first: { type: "string", default: "0" },
    rounds: { type: "string", default: "100" },
  },
});
const make = KINDS[values.kind];
if (make === undefined) throw new Error(`no kind ${values.kind}: there are ${Object.keys(KINDS).join(", ")}`);
const [first, rounds] = [Number(values.first), Number(values.rounds)];

const world = new World();
try {
  const base = world.path("base");
  await writeLayout(base, [await busyboxTar(world)], { Cmd: ["sh"], Env: ["PATH=/bin:/sbin"] });
  const builders: Builders = { buildctl: values.buildctl.split(" "), scratch: world.folder, base };
  let [built, differing] = [0, 0];
  for (let number = first; number < first + rounds; number++) {
    const folder = world.path("context");
    const one = prepare(make, number, folder);
    const [theirs, ours] = [await buildTheirs(builders, folder, one), await buildOurs(builders, folder, one)];
    const found = unknownDifferences(compare(theirs, ours), one);
    rmSync(folder, { recursive: true });
    if (!("error" in theirs)) built++;
    if (found.length === 0) continue;
    differing++;
    print(number, one, found);
  }
  console.log(`${rounds} contexts, ${built} of them built, ${differing} differ`);
  process.exitCode = differing === 0 ? 0 : 1;
} finally {
  world.close();
}
