import { looksSecret } from "@tsbuild/base";
import type {
  CmdInstruction,
  Command,
  EntrypointInstruction,
  EnvInstruction,
  KeyValue,
  LabelInstruction,
} from "@tsbuild/dockerfile";
import { cleanPath } from "../paths.ts";
import type { Step } from "./step.ts";

/** Only the last CMD, ENTRYPOINT and HEALTHCHECK of a stage counts: warns at the one before (D149). */
export function warnRepeated(step: Step): void {
  const { command, build, range } = step;
  const previous = build.lastOf.get(command.kind);
  if (previous !== undefined) {
    const message = `a later ${command.name} in this stage replaces this one`;
    step.lint("MultipleInstructionsDisallowed", message, previous);
  }
  build.lastOf.set(command.kind, range);
}

/** A shell between the runtime and the program keeps signals from it, unless SHELL was chosen on purpose (D144). */
export function warnShellForm(step: Step<CmdInstruction | EntrypointInstruction>): void {
  const { command, build } = step;
  if (!command.command.shellForm || build.image.config.Shell?.length) return;
  step.lint(
    "JSONArgsRecommended",
    `${command.name} in shell form does not get signals: write its arguments as a JSON array`,
  );
}

/** `ENV key value` (D150). */
export function warnLegacyPairs(
  step: Step<EnvInstruction | LabelInstruction>,
  pairs: readonly KeyValue[],
): void {
  const { name } = step.command;
  for (const { legacy } of pairs)
    if (legacy) step.lint("LegacyKeyValueFormat", `write ${name} key=value instead of ${name} key value`);
}

/** ARG and ENV are no place for secrets: what looks like one, and what the build was given as one (D153, W011). */
export function warnSecretName(step: Step, key: string): void {
  const isGiven = step.context.request.secretNames?.includes(key) === true;
  if (!isGiven && !looksSecret(key)) return;
  const keyword = step.command.kind.toUpperCase();
  const message = isGiven
    ? `${keyword} ${JSON.stringify(key)} has the name of a secret of this build: use RUN --mount=type=secret,id=${key}`
    : `${keyword} ${JSON.stringify(key)} stays readable in the image: use RUN --mount=type=secret`;
  step.lint("SecretsUsedInArgOrEnv", message);
}

/** Patterns that leave nothing of the context. */
const EVERYTHING = new Set(["*", "**", "**/*"]);

/** A source that the ignore file hides (D156); with `!` patterns that cannot be told from the name alone. */
export function warnIgnoredSource(step: Step, source: string): void {
  const { ignored } = step.context;
  if (ignored === undefined || ignored.hasNegations) return;
  const path = cleanPath(source);
  const isRoot = path === "." || path === "/";
  if (isRoot && !ignored.patterns.some(({ text }) => EVERYTHING.has(text))) return;
  if (!ignored.matches(path)) return;
  const keyword: Command["kind"] = step.command.kind;
  step.lint("CopyIgnoredFile", `${keyword.toUpperCase()} of ${path}, which the ignore file leaves out`);
}
