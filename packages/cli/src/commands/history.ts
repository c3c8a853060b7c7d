import { suggestion, TsbuildError } from "@tsbuild/base";
import type { BuildHistory, BuildRecord, RecordedStep, StepRecord } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import { durationMs } from "../history/duration.ts";
import { writeLogs } from "../history/logs.ts";
import { namedInHistory } from "../history/named.ts";
import { historyTable } from "../history/table.ts";
import { timeline } from "../history/timeline.ts";
import { traceOf } from "../history/trace.ts";
import type { CommandIo } from "../io.ts";

interface Asked {
  readonly history: BuildHistory;
  readonly flags: ParsedFlags;
  readonly io: CommandIo;
  /** Behind the word. */
  readonly operands: readonly string[];
}

const ACTIONS: Readonly<Record<string, (asked: Asked) => void | Promise<void>>> = {
  ls,
  show,
  logs,
  export: exportBuild,
  import: importBuild,
  rm,
};

/** `tsbuild history ls|show|logs|export|import|rm`. */
export async function history(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [word = "ls", ...operands] = flags.operands;
  const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined;
  if (action === undefined) return ofImage(word, flags, io);
  return withHistory(io, flags, (history) => action({ history, flags, io, operands }));
}

/** `tsbuild history IMAGE` as docker has it: the instructions that made an image. */
async function ofImage(word: string, flags: ParsedFlags, io: CommandIo): Promise<number> {
  const { imageHistory } = await import("./image.ts");
  try {
    return await imageHistory(flags, io);
  } catch (error) {
    if (error instanceof TsbuildError && error.code === "TSB_RESOLVE") throw unknownAction(word);
    throw error;
  }
}

/** `tsbuild logs [BUILD] [STEP]`: `tsbuild history logs`. */
export async function logsCommand(flags: ParsedFlags, io: CommandIo): Promise<number> {
  return withHistory(io, flags, (history) => logs({ history, flags, io, operands: flags.operands }));
}

async function withHistory(
  io: CommandIo,
  flags: ParsedFlags,
  work: (history: BuildHistory) => void | Promise<void>,
): Promise<number> {
  const engine = await io.openEngine({ root: flags.last("root"), env: io.env });
  try {
    await work(await engine.history());
    return 0;
  } finally {
    await engine.close();
  }
}

function unknownAction(word: string): TsbuildError {
  const near = suggestion(word, Object.keys(ACTIONS));
  return new TsbuildError("TSB_USAGE", `history has no action ${JSON.stringify(word)}; ${near}`, {
    hint: `tsbuild history ${Object.keys(ACTIONS).join(" | ")}, or the name of an image that is here`,
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

/** Without a step, of every step that printed something. */
async function logs(asked: Asked): Promise<void> {
  const { history, flags, io, operands } = asked;
  atMost(operands, 2);
  const named = namedInHistory(history, operands);
  const { build, step } = named.step?.status === "cached" ? whenItRan(asked, named.build, named.step) : named;
  const steps = step === undefined ? build.steps.filter(({ hasLog }) => hasLog === true) : [step];
  if (build.logsLost) io.stderr.write(`the output of ${build.id} was not kept: it could not be written\n`);
  await writeLogs(io, { history, build, steps }, flags.isOn("timestamps"));
}

/** A step from the cache printed what it did when it last ran. */
function whenItRan({ history, io }: Asked, build: BuildRecord, step: StepRecord): RecordedStep {
  const ran = history.lastRun(build, step);
  const where = ran === undefined ? "no build that is kept ran it" : `this is its output in ${ran.build.id}`;
  io.stderr.write(`step ${step.number} of ${build.id} came from the cache: ${where}\n`);
  return ran ?? { build, step };
}

function exportBuild({ history, flags, io, operands }: Asked): void {
  atMost(operands, 1);
  const build = history.find(operands[0] ?? "^0");
  const format = oneOf("--format", flags.last("format") ?? "json", ["json", "trace"]);
  io.stdout.write(`${JSON.stringify(format === "json" ? build : traceOf(build), undefined, 2)}\n`);
}

/** From a file, or from standard input. */
async function importBuild({ history, io, operands }: Asked): Promise<void> {
  atMost(operands, 1);
  const { readArchive } = await import("./read-archive.ts");
  const chunks: Uint8Array[] = [];
  for await (const chunk of await readArchive(operands[0] ?? "-", io)) chunks.push(Buffer.from(chunk));
  io.stdout.write(`${history.import(Buffer.concat(chunks).toString("utf8")).id}\n`);
}

/** Each build that goes is told by its ID; one that is at work stays. */
function rm({ history, flags, io, operands }: Asked): void {
  for (const build of chosenBuilds(history, flags, operands)) {
    if (history.remove(build)) io.stdout.write(`${build.id}\n`);
    else io.stderr.write(`${build.id} is at work and stays\n`);
  }
}

function chosenBuilds(
  history: BuildHistory,
  flags: ParsedFlags,
  operands: readonly string[],
): readonly BuildRecord[] {
  const olderThan = flags.last("older-than");
  const ways = [operands.length > 0, flags.isOn("all"), olderThan !== undefined].filter(Boolean).length;
  if (ways !== 1) {
    throw new TsbuildError(
      "TSB_USAGE",
      ways === 0 ? "nothing to remove was named" : "name builds, or --all, or --older-than",
      {
        hint: "for example tsbuild history rm ^0, tsbuild history rm --older-than 30d",
      },
    );
  }
  if (operands.length > 0) return operands.map((reference) => history.find(reference));
  if (olderThan === undefined) return history.list();
  const before = Date.now() - durationMs("--older-than", olderThan);
  return history.list().filter((build) => build.startedAt < before);
}
