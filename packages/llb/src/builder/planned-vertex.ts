import type { LineRange, Platform, VertexDigest } from "@tsbuild/base";
import { opDigest } from "../encode-op.ts";
import type { Input, Op, OpKind, OpMetadata } from "../op.ts";

/** A file that vertices come from. */
export interface SourceFile {
  readonly file: string;
  readonly language: string;
  readonly text: string;
}

/** What goes with a vertex beside its op. */
export interface Annotations extends OpMetadata {
  /** Lines of the source file that the vertex comes from. */
  readonly lines?: readonly LineRange[] | undefined;
  /** The file that `lines` belong to, when it is not the one that the graph is made for. */
  readonly file?: SourceFile | undefined;
}

/** A place that gives an output when it is asked; null is the empty filesystem. */
export interface OutputSource {
  output(): Output | null;
}

/** An output of a planned vertex. */
export interface Output {
  readonly vertex: PlannedVertex;
  readonly index: number;
}

/** Collects the inputs of one op and numbers them. */
export class InputTable {
  readonly inputs: Input[] = [];
  /** Numbers by digest and index: one op may have thousands of inputs. */
  readonly #numbers = new Map<string, number>();

  /** Number of an input, the same for equal ones; -1 for scratch. */
  add(source: OutputSource): number {
    const input = toInput(source.output());
    if (input === null) return -1;
    const key = `${input.digest} ${input.index}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.inputs.push(input) - 1;
    this.#numbers.set(key, number);
    return number;
  }

  /** Number of an input that is never shared: the inputs of a merge are a list, not a set. */
  append(source: OutputSource): number {
    const input = toInput(source.output());
    return input === null ? -1 : this.inputs.push(input) - 1;
  }
}

export function toInput(output: Output | null): Input | null {
  return output === null ? null : { digest: output.vertex.resolve().digest, index: output.index };
}

/** How a vertex comes to its op, once the digests of its inputs are known. */
export interface Plan {
  /** Inputs in the order in which `describe` adds them. */
  readonly inputs: readonly OutputSource[];
  readonly platform?: Platform | undefined;
  readonly annotations?: Annotations | undefined;
  describe(table: InputTable): OpKind;
}

export interface ResolvedVertex {
  readonly op: Op;
  readonly digest: VertexDigest;
}

/**
 * A vertex that is not marshalled yet. Its op is made on first use and kept: what a vertex depends on may still be
 * open while a graph is put together (the paths that are needed of a context).
 */
export class PlannedVertex {
  readonly #plan: Plan;
  #resolved: ResolvedVertex | undefined;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  get inputs(): readonly OutputSource[] {
    return this.#plan.inputs;
  }

  get annotations(): Annotations {
    return this.#plan.annotations ?? {};
  }

  /** The op and its digest. Recurses into inputs that are not resolved; `resolveAll` avoids deep recursion. */
  resolve(): ResolvedVertex {
    this.#resolved ??= this.#describe();
    return this.#resolved;
  }

  #describe(): ResolvedVertex {
    const table = new InputTable();
    const kind = this.#plan.describe(table);
    // BuildKit's client always writes the constraints, also empty: so must we for equal digests.
    const op: Op = { inputs: table.inputs, kind, platform: this.#plan.platform, constraints: [] };
    return { op, digest: opDigest(op) };
  }
}
