import type { LabelInstruction } from "@tsbuild/dockerfile";
import type { Step } from "./step.ts";

/** LABEL: keys and values expand (D119). */
export function label({ command, build, expand }: Step<LabelInstruction>): void {
  const pairs = command.labels.map(({ key, value }): [string, string] => [expand(key), expand(value)]);
  const { config } = build.image;
  config.Labels = { ...config.Labels, ...Object.fromEntries(pairs) };
  build.addHistory(["LABEL", ...pairs.map(([key, value]) => `${key}=${value}`)].join(" "));
}
