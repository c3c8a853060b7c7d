import type { ArgDeclaration, ArgInstruction } from "@tsbuild/dockerfile";
import type { Step } from "./step.ts";
import { warnSecretName } from "./warnings.ts";

/** Arguments that steer the build and are no variables of commands (D057). */
export const STEERING_ARGS: ReadonlySet<string> = new Set([
  "BUILDKIT_SBOM_SCAN_CONTEXT",
  "BUILDKIT_SBOM_SCAN_STAGE",
]);

/** `--build-arg`, else the default of the stage, else the global value (D045); undefined: unset (D048). */
function argValue(step: Step<ArgInstruction>, { key, value }: ArgDeclaration): string | undefined {
  const { buildArgs, globalArgs } = step.context;
  const given = buildArgs.get(key);
  if (given !== undefined) return given;
  return value === undefined ? globalArgs.get(key) : step.expand(value);
}

/** ARG: one after the other, a later one sees an earlier one of the same line (D047). */
export function arg(step: Step<ArgInstruction>): void {
  const { command, build } = step;
  const shown: string[] = [];
  for (const declaration of command.args) {
    const { key } = declaration;
    warnSecretName(step, key);
    const value = argValue(step, declaration);
    if (value !== undefined && !STEERING_ARGS.has(key)) build.env.set(key, value);
    build.declareArg(key, value);
    shown.push(value === undefined ? key : `${key}=${value}`);
  }
  build.addHistory(`ARG ${shown.join(" ")}`);
}
