import { compareFields, type MissInput, type MissSubject } from "./explain.ts";
import type { KeyField } from "./ports.ts";
import type { Solving } from "./solving.ts";
import { isCacheable } from "./vertex-lookup.ts";
import { mapOf, type VertexState } from "./vertex-state.ts";

/** The part of a solve, or of a prediction, that explanations need. */
export type Explaining = Pick<Solving, "signal" | "earlier">;

/** Per record: it is read as a whole when a later miss is explained. */
const MAX_FIELDS = 2_000;
/** One text for the records of all vertices. */
const INPUT_NAMES: readonly string[] = Array.from({ length: 32 }, (_, i) => `input.${i}`);

/**
 * What the key of a vertex was made of: the op's own fields, then per input what it was known by, then the content field by field.
 * Only for a vertex that runs.
 */
export function recordedFields(
  solving: Explaining,
  state: VertexState,
): readonly KeyField[] | Promise<readonly KeyField[]> {
  if (!isCacheable(state)) return [];
  const map = mapOf(state);
  const inputs = state.inputs.map((input, i): KeyField => {
    const content = input.content?.digest;
    return content === undefined
      ? { name: INPUT_NAMES[i] ?? `input.${i}`, value: input.output.own[0] ?? "" }
      : { name: `content.${i}`, value: content };
  });
  const own = [...map.fields, ...inputs];
  return state.inputs.some(({ content }) => content?.fields !== undefined)
    ? withContents(solving, state, own)
    : own.slice(0, MAX_FIELDS);
}

async function withContents(
  solving: Explaining,
  state: VertexState,
  own: readonly KeyField[],
): Promise<readonly KeyField[]> {
  const contents = await Promise.all(state.inputs.map((_, i) => contentFields(solving, state, i)));
  return [...own, ...contents.flat()].slice(0, MAX_FIELDS);
}

/**
 * The digest itself was made without trouble, so the build does not depend on this; an input that cannot be read a second time
 * costs a less exact explanation, which says so by naming the input only.
 */
async function contentFields(
  solving: Explaining,
  state: VertexState,
  input: number,
): Promise<readonly KeyField[]> {
  const fields = state.inputs[input]?.content?.fields;
  if (fields === undefined || solving.signal.aborted) return [];
  try {
    return await fields();
  } catch {
    return [];
  }
}

/** A vertex that ran, as its explanation sees it. */
export function subjectOf(solving: Explaining, state: VertexState, fields: readonly KeyField[]): MissSubject {
  return {
    ignored: state.ignored?.text,
    evicted: state.evicted,
    cacheable: state.inputs.every((input) => input.content !== undefined || input.output.own.length > 0),
    isSource: state.inputs.length === 0,
    fields,
    inputs: state.inputs.map(({ state: input }) => inputOf(solving, input)),
  };
}

function inputOf(solving: Explaining, input: VertexState): MissInput {
  const isSource = input.inputs.length === 0;
  const rebuilt = input.outcome?.type === "ran" ? input.outcome.reason : undefined;
  const { digest: vertex, name } = input;
  const earlier = isSource && rebuilt === undefined ? solving.earlier(input) : undefined;
  const moved = typeof earlier !== "object" ? undefined : compareFields(earlier.fields, mapOf(input).fields);
  return { vertex, name, isSource, rebuilt, moved };
}
