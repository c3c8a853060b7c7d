import { hostPlatform, type Platform, TsbuildError } from "@tsbuild/base";
import type { Graph } from "../op.ts";
import type { FileActions } from "./file-actions.ts";
import { buildGraph } from "./graph.ts";
import {
  type Annotations,
  type Output,
  type OutputSource,
  PlannedVertex,
  type SourceFile,
} from "./planned-vertex.ts";
import { describeExec, outputOf, type RunMount, type RunOptions, sortedMounts } from "./run.ts";

/**
 * A filesystem that a graph gives: the result of a vertex, or scratch. Immutable; every operation gives a new one.
 */
export class State implements OutputSource {
  readonly #output: () => Output | null;
  /** Platform that commands on this filesystem run on, when it is known. */
  readonly platform: Platform | undefined;

  constructor(output: () => Output | null, platform?: Platform) {
    this.#output = output;
    this.platform = platform;
  }

  output(): Output | null {
    return this.#output();
  }

  /** Runs a command; the state of its root filesystem afterwards. */
  run(options: RunOptions): ExecState {
    const platform = options.platform ?? this.platform ?? hostPlatform();
    const mounts = sortedMounts(this, options);
    const vertex = new PlannedVertex({
      inputs: mounts.flatMap((mount) => (mount.from === undefined ? [] : [mount.from])),
      platform,
      annotations: options.annotations,
      describe: (table) => describeExec(mounts, options, table),
    });
    return new ExecState(vertex, mounts, platform);
  }

  /** Does the actions in order. */
  file(actions: FileActions, annotations?: Annotations): State {
    const vertex = new PlannedVertex({
      inputs: [this, ...actions.sources],
      annotations,
      describe: (table) => actions.describe(this, table),
    });
    return new State(() => ({ vertex, index: 0 }), this.platform);
  }

  withPlatform(platform: Platform): State {
    return new State(this.#output, platform);
  }

  /** The graph that ends here. `file` is what the lines of annotations belong to. */
  toGraph(file?: SourceFile): Graph {
    return buildGraph(this, file);
  }
}

/** What a command leaves: its root filesystem, and the mounts that were to be kept. */
export class ExecState extends State {
  readonly #vertex: PlannedVertex;
  readonly #mounts: readonly RunMount[];

  constructor(vertex: PlannedVertex, mounts: readonly RunMount[], platform: Platform) {
    super(() => ({ vertex, index: outputOf(mounts, "/") }), platform);
    this.#vertex = vertex;
    this.#mounts = mounts;
  }

  /** What the command left in the mount at `dest`, which must have `keep`. */
  mount(dest: string): State {
    const index = outputOf(this.#mounts, dest);
    if (index < 0) throw new TsbuildError("TSB_USAGE", `the mount at ${dest} is not kept`);
    return new State(() => ({ vertex: this.#vertex, index }), this.platform);
  }
}

/** The empty filesystem. */
export function scratch(): State {
  return new State(() => null);
}

/** A state that is made when the graph is, at most once: for sources whose attributes are open until then. */
export function defer(make: () => State): State {
  let made: State | undefined;
  return new State(() => {
    made ??= make();
    return made.output();
  });
}
