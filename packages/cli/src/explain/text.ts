import type { KeyChange } from "@tsbuild/base";
import type { BuildRecord } from "@tsbuild/engine";
import { safeName } from "../sanitize.ts";
import { chainOf, type Step } from "./chain.ts";

/** Changes shown of one step; JSON has them all. */
const MAX_CHANGES = 20;
const MAX_VALUE = 60;

const DONE: Readonly<Record<Step["status"], string>> = {
  running: "still running",
  cached: "taken from the cache",
  ok: "ran",
  failed: "failed",
  canceled: "was canceled",
};

/** Every step that ran, and why, down to the cause. */
export function explainedBuild(build: BuildRecord): string {
  const ran = build.steps.filter(({ reason }) => reason !== undefined);
  if (ran.length === 0) return `build ${build.id}: every step was taken from the cache\n`;
  return ran.map((step) => explainedStep(build, step)).join("\n");
}

/** One step: what it did, why, and what led to that. */
export function explainedStep(build: BuildRecord, step: Step): string {
  const [, ...causes] = chainOf(build, step);
  const lines = [
    `#${step.number} ${safeName(step.name)}`,
    `   ${outcome(step)}`,
    ...changeLines(step, "   "),
  ];
  for (const cause of causes) {
    lines.push(`   because of #${cause.number} ${safeName(cause.name)}`, `      ${outcome(cause)}`);
    lines.push(...changeLines(cause, "      "));
  }
  return `${lines.join("\n")}\n`;
}

function outcome({ status, reason }: Step): string {
  return reason === undefined ? DONE[status] : `${DONE[status]}: ${safeName(reason.text)}`;
}

/** Keys of inputs are what the next link of the chain explains, and nobody's language. */
function isTold({ name }: KeyChange): boolean {
  return !/^(?:input|content)\.\d+$/.test(name);
}

function changeLines({ reason }: Step, indent: string): string[] {
  const told = (reason?.changes ?? []).filter(isTold);
  const shown = told.slice(0, MAX_CHANGES).map((change) => `${indent}  ${changeLine(change)}`);
  return told.length > shown.length ? [...shown, `${indent}  and ${told.length - shown.length} more`] : shown;
}

function changeLine({ name, before, after }: KeyChange): string {
  const what = safeName(
    name.replace(/^(arg|env)\./, (_prefix, kind: string) => `${kind.toUpperCase()} `).replace(/^file:/, ""),
  );
  if (before === undefined) return `${what}: added, ${value(after)}`;
  if (after === undefined) return `${what}: removed, was ${value(before)}`;
  return `${what}: ${value(before)} → ${value(after)}`;
}

function value(text = ""): string {
  // Attributes of a file stand behind tabs.
  const safe = safeName(text.replaceAll("\t", ", "));
  if (safe === "") return '""';
  return safe.length > MAX_VALUE ? `${safe.slice(0, MAX_VALUE - 1)}…` : safe;
}
