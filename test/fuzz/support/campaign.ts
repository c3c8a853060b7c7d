import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { generateDockerfile } from "./generate.ts";
import { mutate } from "./mutate.ts";
import { Random } from "./random.ts";
import { checkInput, type Subject } from "./subject.ts";

const corpus = join(import.meta.dirname, "../../../../shared/corpus/dockerfiles");

/** Milliseconds that any input may take, and those for each of its bytes: far above what is needed, far below a hang. */
const BASE_MS = 400;
const MS_PER_BYTE = 0.02;

class SlowInput extends Error {}

export interface Finding {
  readonly round: number;
  readonly kind: "generated" | "mutated";
  readonly error: Error;
  readonly data: Uint8Array;
}

export interface Campaign {
  readonly seed: number;
  /** First round; a finding is replayed alone with `first` and `rounds: 1`. */
  readonly first?: number;
  readonly rounds: number;
  readonly subject: Subject;
  /** Seeds of the mutator beside those of the generator. */
  readonly seeds: readonly Uint8Array[];
}

/** Dockerfiles of the corpus, small ones; none when it is not there. */
export function corpusSeeds(): Uint8Array[] {
  if (!existsSync(corpus)) return [];
  return readdirSync(corpus, { recursive: true, encoding: "utf8" })
    .filter((name) => /dockerfile|containerfile/i.test(name))
    .sort()
    .map((name) => join(corpus, name))
    .filter((path) => statSync(path).isFile() && statSync(path).size < 8000)
    .map((path) => readFileSync(path));
}

/** Inputs one after the other until one breaks a property; each depends on the seed and its round only. */
export async function runCampaign(campaign: Campaign): Promise<Finding | undefined> {
  const first = campaign.first ?? 0;
  for (let round = first; round < first + campaign.rounds; round++) {
    const { data, kind } = inputOf(campaign, round);
    const error = await failureOf(data, campaign.subject);
    if (error === undefined) continue;
    const isSlow = error instanceof SlowInput;
    return { round, kind, error, data: isSlow ? data : await shrink(data, error, campaign.subject) };
  }
  return undefined;
}

function inputOf({ seed, seeds }: Campaign, round: number): Pick<Finding, "data" | "kind"> {
  const random = new Random(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(round + 1, 0x85ebca6b));
  if (round % 2 === 0) return { kind: "generated", data: Buffer.from(generateDockerfile(random)) };
  const base =
    seeds.length > 0 && random.chance(0.7) ? random.pick(seeds) : Buffer.from(generateDockerfile(random));
  return { kind: "mutated", data: mutate(base, random) };
}

async function failureOf(data: Uint8Array, subject: Subject): Promise<Error | undefined> {
  const limitMs = BASE_MS + data.length * MS_PER_BYTE;
  // A busy machine is slow once; an input that is slow is slow again.
  for (let attempt = 1; ; attempt++) {
    const start = process.cpuUsage();
    try {
      await checkInput(data, subject);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
    const { user, system } = process.cpuUsage(start);
    const ms = (user + system) / 1000;
    if (ms <= limitMs) return undefined;
    if (attempt === 3)
      return new SlowInput(`${data.length} bytes took ${Math.round(ms)} ms of processor time`);
  }
}

/** Leaves out lines as long as the same thing goes wrong. */
async function shrink(data: Uint8Array, error: Error, subject: Subject): Promise<Uint8Array> {
  if (data.length > 100_000) return data;
  let lines = Buffer.from(data).toString("latin1").split("\n");
  for (let index = lines.length - 1; index >= 0; index--) {
    const fewer = lines.toSpliced(index, 1);
    const again = await failureOf(Buffer.from(fewer.join("\n"), "latin1"), subject);
    if (again?.message === error.message) lines = fewer;
  }
  return Buffer.from(lines.join("\n"), "latin1");
}
