import type { LabelInstruction } from "@tsbuild/dockerfile";
import { setKeys } from "./config-table.ts";
import type { Step } from "./step.ts";
import { warnLegacyPairs } from "./warnings.ts";

/** LABEL: keys and values expand (D119). */
export function label(step: Step<LabelInstruction>): void {
  const { command, build, expand } = step;
  const pairs = command.labels.map(({ key, value }): [string, string] => [expand(key), expand(value)]);
  warnLegacyPairs(step, command.labels);
  const { config } = build.image;
  config.Labels = setKeys(config.Labels, pairs);
  build.addHistory(["LABEL", ...pairs.map(([key, value]) => `${key}=${value}`)].join(" "));
}
