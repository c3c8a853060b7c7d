import type { GraphDump } from "@tsbuild/engine/debug";
import { safeName } from "../sanitize.ts";
import { type GraphStep, graphSteps } from "./steps.ts";

/** Characters of a title in a diagram. */
const MAX_TITLE = 80;

function short({ title }: GraphStep): string {
  const text = safeName(title);
  return text.length > MAX_TITLE ? `${text.slice(0, MAX_TITLE)}…` : text;
}

/** Mermaid reads entities in quoted texts; `#` starts them. */
function mermaidText(text: string): string {
  return text.replaceAll(/[#"<>&`[\]{}|\\]/g, (sign) => `#${sign.charCodeAt(0)};`);
}

/** A flowchart in Mermaid's language; inputs point to what uses them. */
export function graphMermaid(dump: GraphDump): string {
  const steps = graphSteps(dump);
  const nodes = steps.map((step) => `  s${step.number + 1}["${step.kind}: ${mermaidText(short(step))}"]`);
  const edges = steps.flatMap(({ number, inputs }) =>
    inputs.map(({ role, step }) => {
      const label = role === "" ? "" : `|"${mermaidText(role)}"|`;
      return `  s${step + 1} -->${label} s${number + 1}`;
    }),
  );
  return `${["flowchart TD", ...nodes, ...edges].join("\n")}\n`;
}

function dotText(text: string): string {
  return `"${text.replaceAll(/["\\]/g, "\\$&")}"`;
}

const SHAPES: Readonly<Record<string, string>> = { source: "ellipse", exec: "box", file: "note" };

/** A digraph in Graphviz' language. */
export function graphDot(dump: GraphDump): string {
  const steps = graphSteps(dump);
  const nodes = steps.map((step) => {
    const shape = SHAPES[step.kind] ?? "diamond";
    return `  s${step.number + 1} [shape=${shape}, label=${dotText(`${step.kind}: ${short(step)}`)}];`;
  });
  const edges = steps.flatMap(({ number, inputs }) =>
    inputs.map(({ role, step }) => {
      const label = role === "" ? "" : ` [label=${dotText(role)}]`;
      return `  s${step + 1} -> s${number + 1}${label};`;
    }),
  );
  return `${["digraph build {", ...nodes, ...edges, "}"].join("\n")}\n`;
}
