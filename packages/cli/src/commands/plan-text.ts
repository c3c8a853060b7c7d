import type { BuildPlan } from "@tsbuild/engine";
import { formatBytes, formatSeconds } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";

type Step = BuildPlan["steps"][number];

const VERDICTS: Readonly<Record<Step["verdict"], string>> = { cached: "cached", runs: "runs", unknown: "?" };

/** `--call=plan`: a line for each step, and what it comes to. */
export function planText({ steps }: BuildPlan): string {
  const lines = steps.map((step) => {
    const why = wordsOf(step);
    return [
      VERDICTS[step.verdict].padEnd(7),
      measures(step),
      safeName(step.name),
      why === "" ? "" : ` (${why})`,
    ];
  });
  const text = lines.map(([verdict, cost, name, why]) => `${verdict} ${cost} ${name}${why}`.trimEnd());
  return `${[...text, "", summary(steps)].join("\n")}\n`;
}

function wordsOf({ reason, dependsOn = [], verdict, durationMs }: Step): string {
  if (verdict === "unknown") return `depends on what ${dependsOn.map(safeName).join(", ")} makes`;
  if (verdict === "cached" || reason === undefined) return "";
  const text = safeName(reason.text);
  return durationMs === undefined ? `${text}; how long it takes is not known` : text;
}

function measures({ durationMs, sizeBytes, verdict }: Step): string {
  const time = durationMs === undefined || verdict === "cached" ? "" : formatSeconds(durationMs);
  return `${time.padStart(7)} ${(sizeBytes === undefined ? "" : formatBytes(sizeBytes)).padStart(8)}`;
}

function summary(steps: readonly Step[]): string {
  const count = (verdict: Step["verdict"]): number => steps.filter((step) => step.verdict === verdict).length;
  const running = steps.filter(({ verdict }) => verdict !== "cached");
  const known = running.reduce((sum, { durationMs = 0 }) => sum + durationMs, 0);
  const saved = steps.reduce(
    (sum, { verdict, durationMs = 0 }) => sum + (verdict === "cached" ? durationMs : 0),
    0,
  );
  const parts = [`${count("cached")} cached, saving ${formatSeconds(saved)}`, `${count("runs")} to run`];
  if (count("unknown") > 0) parts.push(`${count("unknown")} not known yet`);
  const text = parts.join("; ");
  // None runs, or none ever did.
  return known === 0 ? text : `${text}; steps that run took ${formatSeconds(known)} the last time`;
}
