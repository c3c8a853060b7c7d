import { TsbuildError } from "@tsbuild/base";
import type { StepForms } from "@tsbuild/engine/debug";
import type { ParsedFlags } from "../flags/parse.ts";
import { parseSecurityOpts } from "../flags/security-opt.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { withInspection } from "./inspect-request.ts";

type Debug = typeof import("@tsbuild/engine/debug");

const formats = ["plan", "spec", "oci", "json", "seccomp"] as const;

/** `tsbuild debug plan [PATH]`: what the sandbox would be given for RUN steps, in one of its forms. */
export async function debugPlan(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const format = oneOf("--format", flags.last("format") ?? "plan", formats);
  const { platforms } = await withInspection(withoutVerb(flags), io, async (inspect) =>
    (await inspect()).compile(),
  );
  const debug = await import("@tsbuild/engine/debug");
  const apparmorProfile =
    parseSecurityOpts(flags.all("security-opt")) ?? (io.env["TSBUILD_APPARMOR_PROFILE"] || undefined);
  const machine = { ...debug.thisMachine(io.env), apparmorProfile };
  const all = platforms.flatMap(({ graph }) => debug.stepForms(graph, machine));
  io.stdout.write(print(format, chosen(all, flags.last("step")), debug));
  return 0;
}

/** `debug plan PATH` has the operands of `build PATH` after its verb. */
function withoutVerb(flags: ParsedFlags): ParsedFlags {
  return {
    operands: flags.operands.slice(1),
    all: (name) => flags.all(name),
    last: (name) => flags.last(name),
    isOn: (name) => flags.isOn(name),
  };
}

/** By number, or by a piece of its text; without either all of them. */
function chosen(steps: readonly StepForms[], wanted: string | undefined): readonly StepForms[] {
  if (wanted === undefined) return steps;
  const isNumber = /^\d+$/.test(wanted);
  const found = steps.filter(({ number, name }) =>
    isNumber ? number === Number(wanted) : name.includes(wanted),
  );
  if (found.length > 0) return found;
  const list = steps.map(({ number, name }) => `  ${number}  ${name}`).join("\n");
  throw new TsbuildError("TSB_USAGE", `no RUN step is or contains ${JSON.stringify(wanted)}`, {
    hint: steps.length === 0 ? "the target has no RUN step" : `the steps are\n${list}`,
  });
}

function print(format: (typeof formats)[number], steps: readonly StepForms[], debug: Debug): string {
  switch (format) {
    case "plan":
      return steps.map(debug.planForm).join("\n");
    case "seccomp":
      return steps.map(debug.seccompForm).join("\n");
    case "spec":
      return json(steps.map(({ spec }) => spec));
    case "oci":
      return json(steps.map(({ runtime }) => runtime));
    case "json":
      return json(steps.map(debug.planJson));
  }
}

/** One object; a list of them when there are several steps. */
function json(values: readonly unknown[]): string {
  return `${JSON.stringify(values.length === 1 ? values[0] : values, undefined, 2)}\n`;
}
