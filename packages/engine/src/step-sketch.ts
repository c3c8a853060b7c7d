import type { VertexDigest } from "@tsbuild/base";
import type { ExecOp, Graph, Vertex } from "@tsbuild/llb";
import { type DefaultNetwork, sketchStep } from "@tsbuild/ops/sketch";
import {
  canConnectOnDemand,
  compileSeccomp,
  disassemble,
  type ExecSpec,
  findProvider,
  type HostFacts,
  planLine,
  type RuntimeSpec,
  readHostFacts,
  type SandboxPlan,
  sketchSandbox,
} from "@tsbuild/sandbox";

/** One RUN step in all the forms that it takes on its way to the kernel. */
export interface StepForms {
  /** Its place among the steps of the graph, from 1. */
  readonly number: number;
  readonly name: string;
  readonly spec: ExecSpec;
  readonly runtime: RuntimeSpec;
  readonly plan: SandboxPlan;
  /** What each descriptor in the specification would be. */
  readonly descriptors: ReadonlyMap<number, string>;
  /** What only the step's files tell. */
  readonly open: readonly string[];
}

interface ExecVertex extends Vertex {
  readonly op: Vertex["op"] & { readonly kind: ExecOp };
}

function isExec(vertex: Vertex): vertex is ExecVertex {
  return vertex.op.kind.type === "exec";
}

function nameOf({ op, metadata }: Vertex): string {
  return metadata.name ?? metadata.description?.["llb.customname"] ?? op.kind.type;
}

/** What decides on a plan besides the step. */
export interface SketchMachine {
  readonly host: HostFacts;
  /** What a network that nobody chose comes to. */
  readonly defaultNetwork: DefaultNetwork;
  /** Of `--security-opt`; see `ExecSpec.apparmorProfile`. */
  readonly apparmorProfile?: string | undefined;
}

/** This machine, as a build without further flags sees it. */
export function thisMachine(env: Readonly<Record<string, string | undefined>>): SketchMachine {
  const provider = findProvider(["slirp4netns", "pasta"], { path: env["PATH"] ?? "" });
  const host = readHostFacts();
  if (typeof provider === "string") return { host, defaultNetwork: "host" };
  return { host, defaultNetwork: canConnectOnDemand(host) ? "on-demand" : "private" };
}

/** The steps of a graph in their order, as a machine would run them; opens and runs nothing. */
export function stepForms(graph: Graph, { host, ...machine }: SketchMachine): StepForms[] {
  const names = new Map<VertexDigest, string>(
    graph.vertices.map((vertex) => [vertex.digest, nameOf(vertex)]),
  );
  return graph.vertices.filter(isExec).map((vertex, index) => {
    const { spec, descriptors, open } = sketchStep(vertex.op.kind, {
      vertex: vertex.digest,
      describeInput: (input) => names.get(vertex.op.inputs[input]?.digest ?? vertex.digest) ?? "an input",
      ...machine,
    });
    return { number: index + 1, name: nameOf(vertex), spec, descriptors, open, ...sketchSandbox(spec, host) };
  });
}

/** The plan with what its descriptors would be, and what is not known yet, as comments. */
export function planForm({ number, name, plan, descriptors, open }: StepForms): string {
  const comments = [
    `step ${number}: ${name}`,
    ...plan.fds.map((fd, index) => `descriptor ${index} = ${fd}: ${descriptors.get(fd)}`),
    ...open.map((sentence) => `not known before the step runs: ${sentence}`),
  ];
  const lines = plan.ops.map((op, index) => `${String(index).padStart(3)}  ${planLine(op)}`);
  return [...comments.map((text) => `# ${text}`), ...lines, ""].join("\n");
}

/** The filter program, disassembled. */
export function seccompForm({ number, name, runtime }: StepForms): string {
  const { seccomp } = runtime.linux;
  const lines = seccomp === undefined ? ["# no filter"] : disassemble(compileSeccomp(seccomp));
  return [`# step ${number}: ${name}`, ...lines, ""].join("\n");
}

/** The whole plan as data; programs and other bytes in hexadecimal, large numbers as text. */
export function planJson({ plan }: StepForms): unknown {
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
    return typeof value === "bigint" ? `0x${value.toString(16)}` : value;
  };
  const ops = plan.ops.map((op) =>
    Object.fromEntries(Object.entries(op).map(([key, value]) => [key, plain(value)])),
  );
  return { fds: plan.fds, stdio: plan.stdio, ops };
}
