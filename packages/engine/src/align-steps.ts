/** A step's name taken apart: `[build 2/5] RUN make`. */
interface StepName {
  /** `build`; "" where the Dockerfile has one stage, or for what is no step of it. */
  readonly stage: string;
  /** `RUN make`. */
  readonly text: string;
}

const NUMBERED = /^\[(?:(.*) )?\d+\/\d+\] (.*)$/s;

function parseName(name: string): StepName {
  const match = NUMBERED.exec(name);
  return match === null ? { stage: "", text: name } : { stage: match[1] ?? "", text: match[2] ?? "" };
}

interface Numbered extends StepName {
  readonly index: number;
}

function byStage(names: readonly string[]): Map<string, Numbered[]> {
  const stages = new Map<string, Numbered[]>();
  for (const [index, name] of names.entries()) {
    const step = { ...parseName(name), index };
    stages.set(step.stage, [...(stages.get(step.stage) ?? []), step]);
  }
  return stages;
}

/** Stages of one name belong together; of those that have none like them, the first with the first and so on: they were renamed. */
function pairStages(
  before: ReadonlyMap<string, readonly Numbered[]>,
  now: ReadonlyMap<string, readonly Numbered[]>,
): (readonly [readonly Numbered[], readonly Numbered[]])[] {
  const gone = [...before.keys()].filter((stage) => !now.has(stage));
  return [...now].flatMap(([stage, steps]) => {
    const old = before.get(stage) ?? before.get(gone.shift() ?? "\0");
    return old === undefined ? [] : [[old, steps] as const];
  });
}

/** Beyond this many pairs of steps, only what is equal at both ends is told: a table for the rest would be large. */
const MAX_TABLE = 1_000_000;

/** Pairs of equal texts, as many as possible, in the order of both lists (the longest common subsequence). */
function equalPairs(before: readonly Numbered[], now: readonly Numbered[]): (readonly [number, number])[] {
  const width = now.length + 1;
  if (before.length * now.length > MAX_TABLE) return [];
  const best = new Uint16Array((before.length + 1) * width);
  const at = (i: number, j: number): number => best[i * width + j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      const same = before[i]?.text === now[j]?.text;
      best[i * width + j] = same ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < before.length && j < now.length; ) {
    if (before[i]?.text === now[j]?.text) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}

function keyword(text: string): string {
  return text.slice(0, (text.indexOf(" ") + 1 || text.length + 1) - 1);
}

/** Between equal steps, an instruction of the same kind is taken for the edited form of the old one, in order. */
function editedPairs(
  before: readonly Numbered[],
  now: readonly Numbered[],
): (readonly [Numbered, Numbered])[] {
  const left = [...before];
  return now.flatMap((step) => {
    const found = left.findIndex((old) => keyword(old.text) === keyword(step.text));
    const old = found < 0 ? undefined : left.splice(0, found + 1).at(-1);
    return old === undefined ? [] : [[old, step] as const];
  });
}

function alignStage(
  before: readonly Numbered[],
  now: readonly Numbered[],
): (readonly [Numbered, Numbered])[] {
  const pairs: (readonly [Numbered, Numbered])[] = [];
  let [i, j] = [0, 0];
  for (const [oldEnd, newEnd] of [...equalPairs(before, now), [before.length, now.length] as const]) {
    pairs.push(...editedPairs(before.slice(i, oldEnd), now.slice(j, newEnd)));
    const [old, step] = [before[oldEnd], now[newEnd]];
    if (old !== undefined && step !== undefined) pairs.push([old, step]);
    [i, j] = [oldEnd + 1, newEnd + 1];
  }
  return pairs;
}

/**
 * Which step of an earlier build a step is: index now → index before. By stage and text, whatever the numbers are, so that a step put in
 * between leaves the others recognisable; an instruction that stands where another of its kind stood is that one, edited. Steps
 * that are new have no partner.
 */
export function alignSteps(before: readonly string[], now: readonly string[]): ReadonlyMap<number, number> {
  const pairs = pairStages(byStage(before), byStage(now)).flatMap(([old, steps]) => alignStage(old, steps));
  return new Map(pairs.map(([old, step]) => [step.index, old.index]));
}
