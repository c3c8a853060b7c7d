import { type Annotations, PlannedVertex } from "./planned-vertex.ts";
import { State, scratch } from "./state.ts";

/** Layers the states on each other, later wins. Scratch ones add nothing; a single one is itself. */
export function merge(states: readonly State[], annotations?: Annotations): State {
  const filled = states.filter((state) => state.output() !== null);
  const [first] = filled;
  if (first === undefined) return scratch();
  if (filled.length === 1) return first;
  const vertex = new PlannedVertex({
    inputs: filled,
    annotations,
    describe: (table) => ({ type: "merge", inputs: filled.map((state) => table.append(state)) }),
  });
  return new State(() => ({ vertex, index: 0 }), first.platform);
}

/** What `upper` has that `lower` has not, deletions included. */
export function diff(lower: State, upper: State, annotations?: Annotations): State {
  if (lower.output() === null) return upper;
  const vertex = new PlannedVertex({
    inputs: [lower, upper],
    annotations,
    describe: (table) => ({ type: "diff", lower: table.append(lower), upper: table.append(upper) }),
  });
  return new State(() => ({ vertex, index: 0 }), upper.platform ?? lower.platform);
}
