import { evaluate, type Plan } from "./random-graph.ts";

/**
 * What the solver promises, said without promises, keys or locks: one vertex after the other, recursively. Work is named by
 * its class: the op, and per input the value that counts or the class of the input. Ops are deterministic here, so a class has one
 * value, and records can be a map from class to whether the result is still there.
 */
export class Model {
  /** Class to whether its result can be loaded. */
  readonly records = new Map<string, boolean>();
  /** `class input parent`: the definition of an input, by its class, leads to the class. */
  readonly #links = new Set<string>();
  /** Class to the generation that took its place. */
  readonly #generations = new Map<string, string>();
  #nextGeneration = 1;

  solve(plans: readonly Plan[], ignored: ReadonlySet<string>): ModelSolve {
    const solve = new ModelSolve(this, plans, ignored);
    solve.demand(plans.length - 1);
    return solve;
  }

  resolve(name: string): string {
    return this.#generations.get(name) ?? name;
  }

  supersede(name: string): string {
    const generation = `${name}#${this.#nextGeneration++}`;
    this.#generations.set(name, generation);
    return generation;
  }

  link(name: string, input: number, parent: string): void {
    this.#links.add(`${name} ${input} ${parent}`);
  }

  isLinked(name: string, input: number, parent: string): boolean {
    return this.#links.has(`${name} ${input} ${parent}`);
  }
}

interface Status {
  readonly value: number;
  /** Undefined: nothing says what it is, as long as it has not run. */
  class: string | undefined;
  /** The name that links lead to; `class` is it or its generation. */
  linked: string | undefined;
  settled: boolean;
  demanded: boolean;
  hit: boolean;
}

export class ModelSolve {
  readonly #model: Model;
  readonly #plans: readonly Plan[];
  readonly #ignored: ReadonlySet<string>;
  readonly #statuses: Status[] = [];
  /** Vertices that ran, by name. */
  readonly ran: string[] = [];

  constructor(model: Model, plans: readonly Plan[], ignored: ReadonlySet<string>) {
    this.#model = model;
    this.#plans = plans;
    this.#ignored = ignored;
    for (const [i, plan] of plans.entries()) {
      const value = evaluate(
        plan,
        plan.inputs.map((input) => this.#statuses[input]!.value),
      );
      this.#statuses.push({
        value,
        class: undefined,
        linked: undefined,
        settled: false,
        demanded: false,
        hit: false,
      });
      this.#define(i);
    }
  }

  get value(): number {
    return this.#statuses.at(-1)!.value;
  }

  /** Name of a vertex's work, however it comes to be known; for telling equal work. Undefined: no work is equal to it. */
  workOf(name: string): string | undefined {
    const index = this.#plans.findIndex((plan) => plan.name === name);
    return this.#statuses[index]?.class;
  }

  demand(index: number): void {
    const { status, plan } = this.#at(index);
    if (status.demanded) return;
    status.demanded = true;
    this.#settle(index);
    if (status.hit && this.#isThere(status)) return;
    for (const input of plan.inputs) this.demand(input);
    const name = this.#nameByNow(index);
    const known = name === undefined ? undefined : this.#model.resolve(name);
    // Equal work that was done meanwhile, for another vertex of this graph.
    if (known !== undefined && !this.#isIgnored(index) && this.#model.records.get(known) === true) {
      this.#take(index, name!);
      return;
    }
    this.ran.push(plan.name);
    if (name !== undefined) this.#record(index, name);
  }

  #at(index: number) {
    return { plan: this.#plans[index]!, status: this.#statuses[index]! };
  }

  #isIgnored(index: number): boolean {
    return this.#ignored.has(this.#plans[index]!.name);
  }

  #isThere(status: Status): boolean {
    return status.class !== undefined && this.#model.records.get(status.class) === true;
  }

  #define(index: number): void {
    const { plan, status } = this.#at(index);
    if (plan.contentOnly || this.#isIgnored(index)) return;
    if (!plan.inputs.every((input) => this.#statuses[input]!.class !== undefined)) return;
    const name = this.#name(index);
    const byLinks = plan.inputs.every((input, i) =>
      this.#model.isLinked(name, i, this.#statuses[input]!.class!),
    );
    const countsContent = plan.moduli.some((modulus) => modulus !== undefined);
    if (!byLinks && countsContent) return;
    this.#know(status, name);
  }

  #know(status: Status, name: string): void {
    status.linked = name;
    status.class = this.#model.resolve(name);
    status.hit = this.#model.records.has(status.class);
  }

  #settle(index: number): void {
    const { plan, status } = this.#at(index);
    if (status.settled) return;
    status.settled = true;
    if (status.hit || this.#isIgnored(index) || plan.contentOnly) return;
    for (const [i, input] of plan.inputs.entries()) {
      if (plan.moduli[i] === undefined) this.#settle(input);
      else this.demand(input);
    }
    const name = this.#nameByNow(index);
    if (name === undefined) return;
    this.#know(status, name);
    if (status.hit) this.#linkInputs(index, name);
  }

  /** Name of the class, if every input is known by content or class. */
  #nameByNow(index: number): string | undefined {
    const { plan } = this.#at(index);
    if (plan.contentOnly) return undefined;
    const known = plan.inputs.every(
      (input, i) => plan.moduli[i] !== undefined || this.#statuses[input]!.class !== undefined,
    );
    return known ? this.#name(index) : undefined;
  }

  #name(index: number): string {
    const { plan } = this.#at(index);
    const inputs = plan.inputs.map((input, i) => {
      const modulus = plan.moduli[i];
      const status = this.#statuses[input]!;
      return modulus === undefined ? `(${status.class})` : `${status.value % modulus}`;
    });
    return `${plan.key}[${inputs.join(",")}]`;
  }

  #take(index: number, name: string): void {
    this.#know(this.#at(index).status, name);
    this.#linkInputs(index, name);
  }

  #record(index: number, name: string): void {
    const { status } = this.#at(index);
    status.linked = name;
    status.class = this.#isIgnored(index) ? this.#model.supersede(name) : this.#model.resolve(name);
    this.#model.records.set(status.class, true);
    this.#linkInputs(index, name);
  }

  #linkInputs(index: number, name: string): void {
    for (const [i, input] of this.#at(index).plan.inputs.entries()) {
      const parent = this.#statuses[input]!.class;
      if (parent !== undefined) this.#model.link(name, i, parent);
    }
  }
}
