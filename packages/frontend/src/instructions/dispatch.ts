import { type LineRange, TsbuildError } from "@tsbuild/base";
import type { Command } from "@tsbuild/dockerfile";
import { placed } from "../failure.ts";
import { meant } from "../lint/from-checks.ts";
import type { KnownNames, Linter } from "../lint/linter.ts";
import { readPragma } from "../pragmas.ts";
import type { StageCommand } from "../stage.ts";
import type { StageBuild } from "../stage-build.ts";
import { add } from "./add.ts";
import { arg, STEERING_ARGS } from "./arg.ts";
import { cmd } from "./cmd.ts";
import { copy } from "./copy.ts";
import { entrypoint } from "./entrypoint.ts";
import { env } from "./env.ts";
import { expose } from "./expose.ts";
import { healthcheck } from "./healthcheck.ts";
import { label } from "./label.ts";
import { maintainer } from "./maintainer.ts";
import { onbuild } from "./onbuild.ts";
import { run } from "./run.ts";
import { shell } from "./shell.ts";
import type { Step } from "./step.ts";
import { stopsignal } from "./stopsignal.ts";
import { user } from "./user.ts";
import { volume } from "./volume.ts";
import { workdir } from "./workdir.ts";

type Handlers = { readonly [K in Command["kind"]]: (step: Step<Extract<Command, { kind: K }>>) => void };

const HANDLERS: Handlers = {
  add,
  arg,
  cmd,
  copy,
  entrypoint,
  env,
  expose,
  healthcheck,
  label,
  maintainer,
  onbuild,
  run,
  shell,
  stopsignal,
  user,
  volume,
  workdir,
};

/** A variable that neither the base image, nor ENV, nor ARG sets. */
function reportUnknown(name: string, build: StageBuild, linter: Linter, range: LineRange): void {
  if (STEERING_ARGS.has(name)) return;
  const message = (known: KnownNames) =>
    `$${name} is not set by anything before${meant(name, known(build.env.names()))}`;
  linter.reportNear("UndefinedVar", message, range);
}

function stepOf(build: StageBuild, { command, sources, range, onbuild: trigger }: StageCommand): Step {
  const { context } = build;
  const linter = context.linter.within(command.comments);
  return {
    command,
    build,
    context,
    sources,
    range,
    onbuild: trigger,
    pragma: readPragma(command.comments, (message) => linter.reportOwn("UnknownPragma", message, range)),
    expand: (word, options) => {
      const { text, unmatched } = build.expand(word, options);
      for (const name of unmatched) if (!build.argValues.has(name)) reportUnknown(name, build, linter, range);
      return text;
    },
    lint: (rule, message, other = range) => linter.report(rule, message, other),
  };
}

/** Lets one instruction change the stage. Errors get its lines. */
export function dispatch(build: StageBuild, command: StageCommand): void {
  const step = stepOf(build, command);
  // The table pairs each kind with its own handler, which the compiler cannot follow through the lookup.
  const handle = HANDLERS[command.command.kind] as (step: Step) => void;
  try {
    handle(step);
  } catch (error) {
    if (error instanceof TsbuildError) throw placed(error, build.context.source, command.range);
    throw error;
  }
}
