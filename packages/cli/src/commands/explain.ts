import { TsbuildError } from "@tsbuild/base";
import type { BuildHistory, BuildRecord } from "@tsbuild/engine";
import { chainOf, type Step } from "../explain/chain.ts";
import { explainedBuild, explainedStep } from "../explain/text.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";

/** `tsbuild explain [BUILD] [STEP]`. */
export async function explain(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const format = oneOf("--format", flags.last("format") ?? "text", ["text", "json"]);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    const history = await engine.history();
    const { build, step } = asked(history, flags.operands);
    if (format === "json") io.stdout.write(`${JSON.stringify(explainedJson(build, step), undefined, 2)}\n`);
    else io.stdout.write(step === undefined ? explainedBuild(build) : explainedStep(build, step));
    return 0;
  } finally {
    await engine.close();
  }
}

interface Asked {
  readonly build: BuildRecord;
  readonly step?: Step;
}

/** One argument is a build where one is so called (`^1`, an ID), else a step of the newest. */
function asked(history: BuildHistory, [first, second, ...surplus]: readonly string[]): Asked {
  if (surplus.length > 0) {
    throw new TsbuildError("TSB_USAGE", `surplus arguments: ${surplus.join(" ")}`, {
      hint: "tsbuild explain --help",
    });
  }
  if (first === undefined) return { build: history.find("^0") };
  const isBuild = second !== undefined || isBuildReference(history, first);
  const build = history.find(isBuild ? first : "^0");
  const reference = isBuild ? second : first;
  return reference === undefined ? { build } : { build, step: history.step(build, reference) };
}

function isBuildReference(history: BuildHistory, text: string): boolean {
  return /^\^\d+$/.test(text) || (text.length >= 4 && history.list().some(({ id }) => id.startsWith(text)));
}

function explainedJson(build: BuildRecord, step: Step | undefined) {
  const steps = step === undefined ? build.steps.filter(({ internal }) => internal !== true) : [step];
  return {
    build: build.id,
    steps: steps.map((one) => ({
      ...facts(one),
      because: chainOf(build, one).slice(1).map(facts),
    })),
  };
}

function facts({ number, name, vertex, status, reason }: Step) {
  return {
    number,
    name,
    vertex,
    status,
    ...(reason === undefined
      ? {}
      : { kind: reason.kind, reason: reason.text, changes: reason.changes ?? [] }),
  };
}
