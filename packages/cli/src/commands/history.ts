import { suggestion, TsbuildError } from "@tsbuild/base";
import type { BuildHistory, BuildRecord } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import { historyTable } from "../history/table.ts";
import { timeline } from "../history/timeline.ts";
import { traceOf } from "../history/trace.ts";
import type { CommandIo } from "../io.ts";
import { safeLine, safeName } from "../sanitize.ts";

interface Asked {
  readonly history: BuildHistory;
  readonly flags: ParsedFlags;
  readonly io: CommandIo;
  /** Behind the word. */
  readonly operands: readonly string[];
}

const ACTIONS: Readonly<Record<string, (asked: Asked) => void>> = { ls, show, logs, export: exportBuild, rm };

/** `tsbuild history ls|show|logs|export|rm`. */
export async function history(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [word = "ls", ...operands] = flags.operands;
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action === undefined) throw unknownAction(word);
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    action({ history: await engine.history(), flags, io, operands });
    return 0;
  } finally {
    await engine.close();
  }
}

function unknownAction(word: string): TsbuildError {
  const near = suggestion(word, Object.keys(ACTIONS));
  return new TsbuildError("TSB_USAGE", `history has no action ${JSON.stringify(word)}${near}`, {
    hint: `one of ${Object.keys(ACTIONS).join(", ")}`,
  });
}

function atMost(operands: readonly string[], count: number): void {
  if (operands.length <= count) return;
  throw new TsbuildError("TSB_USAGE", `surplus arguments: ${operands.slice(count).join(" ")}`, {
    hint: "tsbuild history --help",
  });
}

function ls({ history, flags, io, operands }: Asked): void {
  atMost(operands, 0);
  const builds = history.list();
  const format = oneOf("--format", flags.last("format") ?? "table", ["table", "json"]);
  if (flags.isOn("quiet")) io.stdout.write(builds.map(({ id }) => `${id}\n`).join(""));
  else if (format === "json") io.stdout.write(builds.map((build) => `${summaryJson(build)}\n`).join(""));
  else io.stdout.write(historyTable(builds, Date.now()));
}

/** A build without its steps, which `export` gives. */
function summaryJson({ steps, ...build }: BuildRecord): string {
  const count = (status: string) =>
    steps.filter((step) => step.internal !== true && step.status === status).length;
  return JSON.stringify({
    ...build,
    steps: { cached: count("cached"), rebuilt: count("ok"), failed: count("failed") },
  });
}

function show({ history, io, operands }: Asked): void {
  atMost(operands, 1);
  const build = history.find(operands[0] ?? "^0");
  io.stdout.write(timeline(build, { columns: io.stdout.columns ?? 100, now: Date.now() }));
}

/** Without a step, every step's output under its name. */
function logs(asked: Asked): void {
  const { history, io, operands } = asked;
  atMost(operands, 2);
  const build = history.find(operands[0] ?? "^0");
  const [, reference] = operands;
  const steps = reference === undefined ? build.steps : [history.step(build, reference)];
  for (const step of steps.filter(({ hasLog }) => hasLog === true)) {
    if (reference === undefined) io.stdout.write(`#${step.number} ${safeName(step.name)}\n`);
    for (const text of logText(asked, build, step)) io.stdout.write(text);
  }
}

/** As it was printed; control characters only go where a terminal does not read them. */
function* logText({ history, flags, io }: Asked, build: BuildRecord, step: BuildRecord["steps"][number]) {
  let open = false;
  for (const { at, data } of history.log(build, step)) {
    if (!flags.isOn("timestamps") && io.stdout.isTTY !== true) {
      yield data;
      open = data.at(-1) !== 0x0a;
      continue;
    }
    const lines = Buffer.from(data).toString("utf8").split("\n");
    const last = lines.pop() ?? "";
    for (const [index, line] of [...lines, last].entries()) {
      const isLast = index === lines.length;
      if (isLast && line === "") continue;
      const stamp = !open && flags.isOn("timestamps") ? `${new Date(at).toISOString()} ` : "";
      yield `${stamp}${safeLine(line)}${isLast ? "" : "\n"}`;
      open = isLast;
    }
  }
  if (open) yield "\n";
}

function exportBuild({ history, flags, io, operands }: Asked): void {
  atMost(operands, 1);
  const build = history.find(operands[0] ?? "^0");
  const format = oneOf("--format", flags.last("format") ?? "json", ["json", "trace"]);
  io.stdout.write(`${JSON.stringify(format === "json" ? build : traceOf(build), undefined, 2)}\n`);
}

function rm({ history, flags, io, operands }: Asked): void {
  const builds = history.list();
  const olderThan = flags.last("older-than");
  const chosen =
    olderThan !== undefined
      ? builds.filter((build) => build.startedAt < Date.now() - durationMs(olderThan))
      : flags.isOn("all")
        ? builds
        : operands.map((reference) => history.find(reference));
  if (chosen.length === 0 && operands.length === 0 && olderThan === undefined && !flags.isOn("all")) {
    throw new TsbuildError("TSB_USAGE", "nothing to remove was named", {
      hint: "tsbuild history rm ^0, or --all",
    });
  }
  for (const build of chosen) {
    if (history.remove(build)) io.stdout.write(`${build.id}\n`);
    else io.stderr.write(`${build.id} is at work and stays\n`);
  }
}

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

function durationMs(text: string): number {
  const [, number, unit = ""] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const ms = Number(number) * (UNIT_MS[unit] ?? Number.NaN);
  if (!Number.isNaN(ms)) return ms;
  throw new TsbuildError("TSB_USAGE", `--older-than ${JSON.stringify(text)} is not a time`, {
    hint: "for example 90m, 36h or 7d",
  });
}
