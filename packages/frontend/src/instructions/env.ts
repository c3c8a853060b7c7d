import type { EnvInstruction } from "@tsbuild/dockerfile";
import { splitVariable } from "../environment.ts";
import type { Step } from "./step.ts";
import { warnLegacyPairs, warnSecretName } from "./warnings.ts";

/** The list with `key` set where it was, else at the end. */
function withVariable(list: readonly string[], key: string, value: string): string[] {
  const entry = `${key}=${value}`;
  const known = list.findIndex((item) => splitVariable(item)[0] === key);
  return known < 0 ? [...list, entry] : list.with(known, entry);
}

/** ENV: every word sees the state before the instruction (D040, D118). */
export function env(step: Step<EnvInstruction>): void {
  const { command, build, expand } = step;
  const pairs = command.env.map(({ key, value }) => ({ key: expand(key), value: expand(value) }));
  const { config } = build.image;
  warnLegacyPairs(step, command.env);
  for (const { key, value } of pairs) {
    warnSecretName(step, key);
    build.env.set(key, value);
    config.Env = withVariable(config.Env ?? [], key, value);
  }
  build.addHistory(["ENV", ...pairs.map(({ key, value }) => `${key}=${value}`)].join(" "));
}
