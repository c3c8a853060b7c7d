import type { EnvInstruction } from "@tsbuild/dockerfile";
import { splitVariable } from "../environment.ts";
import type { Step } from "./step.ts";
import { warnLegacyPairs, warnSecretName } from "./warnings.ts";

/** Where each name stands in lists that were made here: a file may set any number of variables. */
const positions = new WeakMap<string[], Map<string, number>>();

/** The list with `key` set where it was, else at the end. Lists that were made here change in place. */
function withVariable(list: string[], key: string, value: string): string[] {
  let known = positions.get(list);
  const own = known === undefined ? [...list] : list;
  if (known === undefined) {
    known = new Map();
    // The first of a name counts, should a base image have it twice.
    for (const [index, entry] of own.entries()) {
      const name = splitVariable(entry)[0];
      if (!known.has(name)) known.set(name, index);
    }
    positions.set(own, known);
  }
  const position = known.get(key) ?? own.length;
  known.set(key, position);
  own[position] = `${key}=${value}`;
  return own;
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
