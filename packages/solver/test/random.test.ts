import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { type BuildEvent, TsbuildError } from "@tsbuild/base";
import { MemoryGate } from "@tsbuild/solver";
import { type IntegerSolveOptions, type IntegerVertex, IntegerWorld } from "@tsbuild/testkit";
import { describe, expect, test } from "vitest";
import { Model } from "./model.ts";
import { changePlans, type Plan, planVertices, Random, randomPlans } from "./random-graph.ts";

/** One seed to try again what failed; else a fixed series, so that a failure is not a matter of luck. */
const only = process.env["SOLVER_SEED"];
const seeds = (count: number) =>
  only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];

const HANG_MS = 20_000;

/** Solves, or says who waits for whom. */
async function solveOrExplain(world: IntegerWorld, vertex: IntegerVertex, options: IntegerSolveOptions = {}) {
  let describeWaiting: () => string = () => "";
  const cancel = new AbortController();
  const hang = delay(HANG_MS, undefined, { signal: cancel.signal }).then(
    () => {
      throw new Error(`the solve hangs:\n${describeWaiting()}`);
    },
    () => undefined,
  );
  const solving = world.solve(vertex, {
    memory: littleMemory(),
    ...options,
    onStart: (describe) => {
      describeWaiting = describe;
    },
  });
  try {
    const report = await Promise.race([solving, hang]);
    if (report === undefined) throw new Error("unreachable");
    return report;
  } finally {
    cancel.abort();
  }
}

/** So little that steps wait for it all the time, some want more than there is, and now and then the machine is short of it. */
function littleMemory(): NonNullable<IntegerSolveOptions["memory"]> {
  let asked = 0;
  const gate = new MemoryGate({ budgetBytes: () => 8, isShort: () => ++asked % 5 === 0 });
  return { gate, expected: (name) => (name.endsWith("3") ? undefined : (name.charCodeAt(1) * 7) % 11) };
}

/** Every op takes up to three turns of the event loop, so that finishing orders differ. */
function randomWaits(random: Random) {
  return () => {
    const turns = random.below(4);
    return async () => {
      for (let i = 0; i < turns; i++) await turn();
    };
  };
}

async function forSeeds(count: number, body: (random: Random) => Promise<void>): Promise<void> {
  for (const seed of seeds(count)) {
    try {
      await body(new Random(seed));
    } catch (error) {
      throw new Error(
        `seed ${seed} (SOLVER_SEED=${seed}): ${error instanceof Error ? error.message : error}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** Runs by class of work: of equal vertices it does not matter which one ran. */
function byWork(names: readonly string[], workOf: (name: string) => string | undefined): readonly string[] {
  return names.map((name) => workOf(name) ?? `${name} (unlike any other)`).sort();
}

describe("random graphs against the model", () => {
  test("values, what ran and how often, over builds with changes, evictions and ignored steps", async () => {
    await forSeeds(700, async (random) => {
      const world = new IntegerWorld();
      const model = new Model();
      let plans = randomPlans(random, 2 + random.below(14));
      for (let build = 0; build < 5; build++) {
        const ignored = build === 0 ? new Set<string>() : ignoreSome(random, plans);
        const expected = model.solve(plans, ignored);
        const report = await solveOrExplain(world, planVertices(plans, randomWaits(random)).at(-1)!, {
          jobs: 1 + random.below(4),
          ignoreCache: (name) => ignored.has(name),
        });
        const workOf = (name: string) => expected.workOf(name);
        expect({ build, value: report.value, ran: byWork(report.ran, workOf) }).toEqual({
          build,
          value: expected.value,
          ran: byWork(expected.ran, workOf),
        });
        expect(world.leaks).toEqual({ refs: 0, locks: 0 });
        evictSome(random, { world, model, ran: report.ran, workOf });
        if (random.chance(70)) plans = changePlans(random, plans);
      }
    });
  }, 300_000);

  test("a build of the same again runs only what is read in place and what cannot be cached", async () => {
    await forSeeds(200, async (random) => {
      const world = new IntegerWorld();
      const plans = randomPlans(random, 2 + random.below(20));
      const vertex = planVertices(plans, randomWaits(random)).at(-1)!;
      await solveOrExplain(world, vertex);
      const { ran, outcomes } = await solveOrExplain(world, vertex);
      for (const name of ran) {
        const plan = plans.find((known) => known.name === name)!;
        const reason = [...outcomes.values()].filter((outcome) => outcome.type === "ran");
        if (!plan.contentOnly) {
          expect(reason.every((outcome) => outcome.reason.kind === "not-cacheable")).toBe(true);
        }
      }
    });
  }, 300_000);
});

/**
 * Of equal vertices none: one that is ignored and one that is not, or two results that both claim to be the newest, come out as
 * their order in time has it.
 */
function ignoreSome(random: Random, plans: readonly Plan[]): ReadonlySet<string> {
  const fresh = new Model().solve(plans, new Set());
  const works = plans.map(({ name }) => fresh.workOf(name));
  const unique = plans.filter((_, i) => works.filter((work) => work === works[i]).length === 1);
  return new Set(unique.filter(() => random.chance(8)).map(({ name }) => name));
}

interface Eviction {
  readonly world: IntegerWorld;
  readonly model: Model;
  readonly ran: readonly string[];
  readonly workOf: (name: string) => string | undefined;
}

/** Of what just ran, so that the newest record of a name is the one meant. */
function evictSome(random: Random, { world, model, ran, workOf }: Eviction): void {
  for (const name of ran) {
    const work = workOf(name);
    if (work === undefined || !random.chance(15)) continue;
    if (random.chance(50)) {
      world.evict(name);
      model.records.set(work, false);
    } else {
      world.forget(name);
      model.records.delete(work);
    }
  }
}

describe("builds side by side", () => {
  test("equal work is done once in all of them", async () => {
    await forSeeds(150, async (random) => {
      const world = new IntegerWorld();
      const first = randomPlans(random, 3 + random.below(12));
      const variants = [first, changePlans(random, first), changePlans(random, first)];
      const model = new Model();
      const solves = variants.map((plans) => model.solve(plans, new Set()));
      const reports = await Promise.all(
        variants.map((plans) => solveOrExplain(world, planVertices(plans, randomWaits(random)).at(-1)!)),
      );
      expect(reports.map(({ value }) => value)).toEqual(solves.map(({ value }) => value));
      const done = reports.flatMap(({ ran }, i) => ran.map((name) => solves[i]!.workOf(name)));
      for (const { events } of reports) checkContract(events);
      const cacheable = done.filter((work) => work !== undefined);
      expect(new Set(cacheable).size).toBe(cacheable.length);
      expect(world.leaks).toEqual({ refs: 0, locks: 0 });
    });
  }, 300_000);
});

describe("failures and cancels", () => {
  test("leave no handle and no lock, keep what was finished, and do not spoil the next build", async () => {
    await forSeeds(400, async (random) => {
      const world = new IntegerWorld();
      const plans = randomPlans(random, 3 + random.below(14));
      const bad = new Set(plans.filter(() => random.chance(20)).map(({ name }) => name));
      const abort = new AbortController();
      const stopAt = random.chance(40) ? random.pick(plans).name : undefined;
      const waits = randomWaits(random);
      const troubled = (plan: Plan) => {
        const wait = waits();
        return async () => {
          await wait();
          if (plan.name === stopAt) abort.abort();
          if (bad.has(plan.name)) throw new TsbuildError("TSB_EXEC", `${plan.name} is bad`);
        };
      };
      const events: BuildEvent[] = [];
      const outcome = await solveOrExplain(world, planVertices(plans, troubled).at(-1)!, {
        jobs: 1 + random.below(3),
        signal: abort.signal,
        onEvent: (event) => events.push(event),
      }).catch((error: unknown) => error);
      expect(world.leaks).toEqual({ refs: 0, locks: 0 });
      checkContract(events);
      checkOutcome(outcome, { bad, events, aborted: abort.signal.aborted });
      await checkNextBuild(world, { plans, random, events });
    });
  }, 300_000);
});

/** Opened once, closed once, and in this order. */
function checkContract(events: readonly BuildEvent[]): void {
  const state = new Map<string, "open" | "closed">();
  for (const event of events) {
    if (event.type === "vertex-started") {
      expect(state.get(event.vertex.digest)).toBeUndefined();
      state.set(event.vertex.digest, "open");
    } else if (event.type.startsWith("vertex-") && "vertex" in event) {
      expect(state.get(event.vertex as string)).toBe("open");
      state.set(event.vertex as string, "closed");
    }
  }
  expect([...state.values()]).not.toContain("open");
}

interface Troubles {
  readonly bad: ReadonlySet<string>;
  readonly events: readonly BuildEvent[];
  readonly aborted: boolean;
}

function checkOutcome(outcome: unknown, { bad, events, aborted }: Troubles): void {
  const failures = events.filter((event) => event.type === "vertex-failed" && !event.canceled);
  if (!(outcome instanceof Error)) {
    expect({ failures, aborted }).toEqual({ failures: [], aborted: false });
    return;
  }
  if (!(outcome instanceof TsbuildError)) throw outcome;
  if (outcome.code === "TSB_CANCELED") {
    expect({ failures, aborted }).toEqual({ failures: [], aborted: true });
    return;
  }
  expect(bad).toContain(outcome.message.split(" ")[0]);
  expect(failures).toMatchObject([{ vertex: outcome.vertex }]);
}

interface NextBuild {
  readonly plans: readonly Plan[];
  readonly random: Random;
  readonly events: readonly BuildEvent[];
}

async function checkNextBuild(world: IntegerWorld, { plans, random, events }: NextBuild): Promise<void> {
  const expected = new Model().solve(plans, new Set());
  const finished = new Set(
    events.flatMap((event) => (event.type === "vertex-completed" ? [event.vertex] : [])),
  );
  const vertices = planVertices(plans, randomWaits(random));
  const kept = vertices.filter(
    ({ digest, name }) => finished.has(digest) && expected.workOf(name) !== undefined,
  );
  const report = await solveOrExplain(world, vertices.at(-1)!);
  expect(report.value).toBe(expected.value);
  for (const { name } of kept) expect(report.ran).not.toContain(name);
  expect(world.leaks).toEqual({ refs: 0, locks: 0 });
}
