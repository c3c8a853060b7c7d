import { TsbuildError } from "@tsbuild/base";
import type { BuildHistory, BuildRecord } from "@tsbuild/engine";
import { chainOf, type Step } from "../explain/chain.ts";
import { explainedBuild, explainedStep } from "../explain/text.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import { type Named, namedInHistory } from "../history/named.ts";
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

function asked(history: BuildHistory, operands: readonly string[]): Named {
  if (operands.length <= 2) return namedInHistory(history, operands);
  throw new TsbuildError("TSB_USAGE", `surplus arguments: ${operands.slice(2).join(" ")}`, {
    hint: "tsbuild explain --help",
  });
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
