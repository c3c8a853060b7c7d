import type { IntegerInput, IntegerSpec, IntegerVertex } from "@tsbuild/testkit";
import { integer } from "@tsbuild/testkit";

/** Numbers that follow from a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** How one vertex of a random graph is made: data, so that the solver and the model read the same. */
export interface Plan {
  readonly name: string;
  readonly key: string;
  /** Numbers of earlier plans. */
  readonly inputs: readonly number[];
  /** Per input: the modulus of what counts, where only content counts. */
  readonly moduli: readonly (number | undefined)[];
  readonly contentOnly: boolean;
  /** What a `contentOnly` source holds now. */
  readonly value: number;
  readonly cheap: boolean;
}

/**
 * Few keys, so that equal work is frequent; a key has always the same moduli, as an op has. The last vertex is the result, and most
 * are on the way to it.
 */
export function randomPlans(random: Random, size: number): readonly Plan[] {
  const plans: Plan[] = [];
  for (let i = 0; i < size; i++) {
    const count = i === 0 ? 0 : random.below(Math.min(4, i + 1));
    const recent = () => i - 1 - random.below(Math.min(i, 5));
    const inputs = Array.from({ length: count }, recent);
    const contentOnly = count === 0 && random.chance(30);
    const key = contentOnly ? `context${random.below(2)}` : `op${random.below(4)}`;
    const moduli = inputs.map((_, input) => modulusOf(key, count, input));
    const value = random.below(12);
    plans.push({ name: `v${i}`, key, inputs, moduli, contentOnly, value, cheap: random.chance(20) });
  }
  return plans;
}

/** Fixed by op and place: 0 to 2 inputs of an op count by content. */
function modulusOf(key: string, count: number, input: number): number | undefined {
  const mixed = (key.charCodeAt(2) * 7 + count * 5 + input * 3) % 8;
  return mixed < 3 ? mixed + 2 : undefined;
}

/** The same graph after some time: contexts hold other values, some steps do something else. */
export function changePlans(random: Random, plans: readonly Plan[]): readonly Plan[] {
  return plans.map((plan) => {
    if (plan.contentOnly) return random.chance(40) ? { ...plan, value: random.below(12) } : plan;
    if (!random.chance(8)) return plan;
    const key = `op${random.below(4)}`;
    return { ...plan, key, moduli: plan.inputs.map((_, i) => modulusOf(key, plan.inputs.length, i)) };
  });
}

/** What a vertex computes from the part of its inputs that counts. */
export function evaluate(plan: Plan, values: readonly number[]): number {
  if (plan.contentOnly) return plan.value;
  const parts = values.map((value, i) => value % (plan.moduli[i] ?? 1_000_003));
  return parts.reduce((sum, part) => (sum * 31 + part) % 1_000_003, plan.key.charCodeAt(2) + parts.length);
}

export function planVertices(
  plans: readonly Plan[],
  wait: (plan: Plan) => IntegerSpec["wait"],
): readonly IntegerVertex[] {
  const vertices: IntegerVertex[] = [];
  for (const plan of plans) {
    const inputs: IntegerInput[] = plan.inputs.map((input) => vertices[input]!);
    const content: Record<number, (value: number) => number> = {};
    for (const [i, modulus] of plan.moduli.entries()) {
      if (modulus !== undefined) content[i] = (value) => value % modulus;
    }
    const { key, contentOnly, cheap } = plan;
    const compute = (values: readonly number[]) => evaluate(plan, values);
    vertices.push(
      integer(plan.name, inputs, { key, contentOnly, cheap, content, compute, wait: wait(plan) }),
    );
  }
  return vertices;
}
