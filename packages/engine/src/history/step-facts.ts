import type { VertexDigest } from "@tsbuild/base";
import type { Graph, Vertex } from "@tsbuild/llb";
import { contextOf, type SecretMask, snapshotOf } from "@tsbuild/ops";
import type { KeptStep } from "@tsbuild/ops/kept-step";
import type { OpContext, Ref, VertexOp } from "@tsbuild/solver";
import type { RecordedFolder, StepRecord } from "./record.ts";

/** What a record says of a step beyond its events. */
export type StepFacts = Partial<Omit<StepRecord, "number" | "name" | "vertex" | "status">>;

/** What the graph tells of its vertices: lines and stages. */
export function graphFacts({ vertices, source }: Graph): Map<VertexDigest, StepFacts> {
  const facts = vertices.map(({ digest, metadata }) => {
    const lines = source?.locations.get(digest);
    const stage = stageOf(metadata.name ?? "");
    const known = { ...(lines === undefined ? {} : { lines }), ...(stage === undefined ? {} : { stage }) };
    return [digest, known] as const;
  });
  return new Map(facts);
}

/** `build` of `[linux/arm64 build 2/5] RUN make`. */
function stageOf(name: string): string | undefined {
  return /^\[(?:\S*\/\S* )?(\S+) +\d+\/\d+\]/.exec(name)?.[1];
}

type Note = (facts: StepFacts) => void;

/** The executor of a vertex, watched: what it runs on, what it makes, what it takes. */
export function watchOp(vertex: Vertex, op: VertexOp, options: { note: Note; mask: SecretMask }): VertexOp {
  const { note, mask } = options;
  // Every field by name, so that a new one that is not handed on is a type error.
  const watched: { readonly [K in keyof Required<VertexOp>]: VertexOp[K] } = {
    cheap: op.cheap,
    cacheMap: async (context) => {
      const map = await op.cacheMap(context);
      note({ key: map.digest });
      return map;
    },
    run: async (inputs, context) => {
      note({ inputSnapshots: inputs.map(snapshotName), ...(await execFacts(vertex, inputs, mask)) });
      const outputs = await op.run(inputs, watchContext(context, note));
      note({ outputSnapshots: Array.from(outputs, snapshotName) });
      return outputs;
    },
  };
  return watched;
}

/** The command of a RUN. Values of secrets can only have come into its words and variables by way of build arguments. */
async function execFacts({ op }: Vertex, inputs: readonly Ref[], mask: SecretMask): Promise<StepFacts> {
  const { kind } = op;
  if (kind.type !== "exec") return {};
  const { args, env } = kind.meta;
  const hide = (text: string) => mask.text(text);
  const meta = { ...kind.meta, args: args.map(hide), env: env.map(hide) };
  const { marshalOp } = await import("@tsbuild/llb");
  const recorded = Buffer.from(marshalOp({ ...op, kind: { ...kind, meta } })).toString("base64");
  const folders = inputs.map(folderOf);
  return { op: recorded, ...(folders.some((one) => one !== null) ? { inputFolders: folders } : {}) };
}

function folderOf(ref: Ref): RecordedFolder | null {
  const context = contextOf(ref);
  return context === undefined
    ? null
    : {
        name: context.name,
        folder: context.folder,
        ignore: context.ignore,
        normalModes: context.normalModes,
      };
}

/** The cost is noted here and not from vertex-completed, so that a step that failed has it too. */
function watchContext(context: OpContext, note: Note): OpContext {
  return {
    ...context,
    measured: (resources) => {
      note(resources);
      context.measured?.(resources);
    },
  };
}

/** What a step that failed left, where its result would be. */
export function failedOutputs({ op, after }: KeptStep): (string | null)[] {
  const root = op.kind.mounts.find(({ dest }) => dest === "/")?.output ?? -1;
  return root < 0 ? [] : [...Array.from({ length: root }, () => null), snapshotName(after)];
}

/** Outputs that nobody keeps are holes in the list. */
export function snapshotName(ref: Ref | undefined): string | null {
  return ref?.id === undefined ? null : snapshotOf(ref);
}
