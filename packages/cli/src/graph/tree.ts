import type { GraphDump } from "@tsbuild/engine/debug";
import { safeName } from "../sanitize.ts";
import { type GraphStep, graphSteps, resultStep } from "./steps.ts";

interface Line {
  readonly step: GraphStep;
  readonly role: string;
  /** In front of the line, and of those below it. */
  readonly branch: string;
  readonly below: string;
}

/**
 * The result with what it is made of below it. The filesystem that a step goes on with stands under it without an
 * indent, so that a stage reads from bottom to top; other inputs are branches. A step that is used twice is drawn once.
 */
export function graphTree(dump: GraphDump): string {
  const steps = graphSteps(dump);
  const root = resultStep(dump);
  if (root === undefined) return "the result is empty: nothing is done\n";
  const drawn = new Set<number>();
  const out: string[] = [];
  // An explicit stack: a chain of steps may be longer than the call stack is deep.
  const stack: Line[] = [{ step: steps[root]!, role: "", branch: "", below: "" }];
  for (let line = stack.pop(); line !== undefined; line = stack.pop()) {
    const { step, role, branch, below } = line;
    const again = drawn.has(step.number);
    drawn.add(step.number);
    out.push(`${branch}${shown(step, role)}${again ? "  (above)" : ""}\n`);
    if (again) continue;
    stack.push(...childLines(step, steps, below).reverse());
  }
  return out.join("");
}

function shown({ number, kind, title }: GraphStep, role: string): string {
  return `${role === "" ? "" : `${safeName(role)}: `}#${number + 1} ${kind.padEnd(6)} ${safeName(title)}`;
}

/** Branches first, then the base in line with the step. */
function childLines({ inputs }: GraphStep, steps: readonly GraphStep[], below: string): Line[] {
  const base = inputs.find(({ role }) => role === "");
  const others = inputs.filter((input) => input !== base);
  const lines = others.map(({ role, step }, index): Line => {
    const isLast = index === others.length - 1 && base === undefined;
    return {
      step: steps[step]!,
      role,
      branch: `${below}${isLast ? "└─ " : "├─ "}`,
      below: `${below}${isLast ? "   " : "│  "}`,
    };
  });
  return base === undefined ? lines : [...lines, { step: steps[base.step]!, role: "", branch: below, below }];
}
