import type { GraphDump } from "@tsbuild/engine/debug";

/** An edge of the graph: what it is for, and which step it comes from. */
export interface StepInput {
  /** `/src` for a mount, `copy` for a file's source; empty for the filesystem that a step goes on with. */
  readonly role: string;
  readonly step: number;
}

/** One operation as diagrams show it. */
export interface GraphStep {
  /** Position in the graph; shown from 1. */
  readonly number: number;
  readonly kind: string;
  readonly title: string;
  readonly inputs: readonly StepInput[];
}

type Record_ = Readonly<Record<string, unknown>>;

function asRecords(value: unknown): readonly Record_[] {
  return Array.isArray(value) ? (value as Record_[]) : [];
}

/** The step of a reference `N:O`; undefined for scratch and for results within the same op. */
function stepOf(reference: unknown): number | undefined {
  const match = typeof reference === "string" ? /^(\d+):\d+$/.exec(reference) : null;
  return match === null ? undefined : Number(match[1]);
}

function title(op: Record_): string {
  const { name } = (op["meta"] ?? {}) as { name?: unknown };
  if (typeof name === "string") return name;
  if (typeof op["identifier"] === "string") return op["identifier"];
  if (Array.isArray(op["args"])) return op["args"].join(" ");
  return asRecords(op["actions"])
    .map((action) => `${action["action"]} ${action["dest"] ?? action["path"] ?? ""}`.trim())
    .join(", ");
}

function inputsOf(op: Record_): StepInput[] {
  const uses = [
    ...asRecords(op["mounts"]).map((mount) => [
      mount["dest"] === "/" ? "" : String(mount["dest"]),
      mount["from"],
    ]),
    ...asRecords(op["actions"]).flatMap((action) => [
      ["", action["in"]],
      [String(action["action"]), action["in2"]],
    ]),
    ...(Array.isArray(op["merge"]) ? op["merge"].map((reference) => ["layer", reference]) : []),
    ...Object.entries((op["diff"] ?? {}) as Record_),
  ];
  const inputs = uses.flatMap(([role, reference]): StepInput[] => {
    const step = stepOf(reference);
    return step === undefined ? [] : [{ role: String(role), step }];
  });
  const seen = new Set<string>();
  return inputs.filter(({ role, step }) => !seen.has(`${role} ${step}`) && seen.add(`${role} ${step}`));
}

/** Operations in the order of the graph: inputs come before what uses them. */
export function graphSteps({ ops }: GraphDump): GraphStep[] {
  return ops.map((value, number) => {
    const op = value as Record_;
    return { number, kind: String(op["op"]), title: title(op), inputs: inputsOf(op) };
  });
}

/** The step whose result is the image; undefined: it is empty. */
export function resultStep({ result }: GraphDump): number | undefined {
  return stepOf(result);
}
