import type { Platform } from "@tsbuild/base";
import {
  type Command,
  expandWord,
  type FromInstruction,
  nearest,
  type WordOptions,
  type Stage as WrittenStage,
} from "@tsbuild/dockerfile";
import type { CompileRequest } from "./api.ts";
import type { PlatformChoice } from "./context.ts";
import type { Environment } from "./environment.ts";
import { at, Mistakes, mistake, type SourceText } from "./failure.ts";
import { checkFromArgs, checkFromPlatform } from "./lint/from-checks.ts";
import type { Linter } from "./lint/linter.ts";
import { findNamedContext } from "./named-context.ts";
import { parsePlatform } from "./platform.ts";
import { Stage } from "./stage.ts";
import { EMPTY_IMAGE } from "./stage-names.ts";
import { StageTable } from "./stage-table.ts";

export interface StagePlanning {
  readonly request: CompileRequest;
  readonly source: SourceText;
  readonly wordOptions: WordOptions;
  readonly platforms: PlatformChoice;
  readonly globalArgs: Environment;
  readonly linter: Linter;
  /** Names that FROM lines may use, also those without a value. */
  readonly declared: ReadonlySet<string>;
}

/** Instructions that count as steps in progress. */
const STEPS: ReadonlySet<Command["kind"]> = new Set(["add", "copy", "run", "workdir"]);

function suggestFor(unmatched: ReadonlySet<string>, env: Environment): string | undefined {
  for (const name of unmatched) {
    const near = nearest(name, env.names());
    if (near !== undefined) return `did you mean ${near}?`;
  }
  return undefined;
}

function baseName(from: FromInstruction, planning: StagePlanning): string {
  const { globalArgs, wordOptions, linter, declared } = planning;
  const { text, unmatched } = expandWord(from.base, globalArgs, wordOptions);
  checkFromArgs(from, unmatched, { declared }, linter.within(from.comments));
  if (text !== "") return text;
  const hint =
    suggestFor(unmatched, globalArgs) ?? "give the ARG a default before the first FROM, or use --build-arg";
  throw mistake(`FROM ${from.base} names no image: its variables are empty`, hint);
}

/** Value of `--platform` (D066). */
function stagePlatform(from: FromInstruction, planning: StagePlanning): Platform | undefined {
  const { globalArgs, wordOptions, linter, declared } = planning;
  if (from.platform === undefined) return undefined;
  const expanded = expandWord(from.platform, globalArgs, wordOptions);
  checkFromArgs(from, expanded.unmatched, { declared }, linter.within(from.comments));
  const hint = suggestFor(expanded.unmatched, globalArgs);
  if (expanded.text === "")
    throw mistake(`--platform=${from.platform} is empty: its variables are not set`, hint);
  try {
    const platform = parsePlatform(expanded.text);
    checkFromPlatform(from, expanded, globalArgs, linter.within(from.comments));
    return platform;
  } catch (cause) {
    if (hint === undefined) throw cause;
    throw mistake(`--platform=${from.platform} gives no platform`, hint);
  }
}

function steps(stage: Stage): number {
  const pulled = stage.base === undefined && stage.baseName !== EMPTY_IMAGE ? 1 : 0;
  return pulled + stage.written.filter((command) => STEPS.has(command.kind)).length;
}

function isIgnored(request: CompileRequest, name: string | undefined): boolean {
  const { noCache } = request;
  if (noCache === "none" || noCache === "all") return noCache === "all";
  return noCache.some((stage) => stage.toLowerCase() === (name ?? ""));
}

/** Stages of a file that stands in for an image show whose they are. */
function displayName(name: string, { includedBy = [] }: CompileRequest): string {
  return [...includedBy.slice(-1), name].join("/");
}

function planStage(written: WrittenStage, index: number, planning: StagePlanning, table: StageTable): void {
  const { from, commands } = written;
  const { request, platforms } = planning;
  const stage = new Stage({
    baseName: baseName(from, planning),
    name: from.stageName,
    displayName: displayName(from.stageName ?? `stage-${index}`, request),
    range: from.range,
    comments: from.comments,
    source: from.source,
    platform: stagePlatform(from, planning),
    written: commands,
  });
  table.add(stage);
  if (from.stageName !== undefined)
    stage.replacement = findNamedContext(request, from.stageName, stage.platform ?? platforms.target);
  if (stage.replacement !== undefined) {
    stage.base = undefined;
    return;
  }
  stage.stepTotal = steps(stage);
  stage.ignoreCache = isIgnored(request, from.stageName);
}

/** The stages of the file in order, with their bases; FROM lines expand with global ARGs only (D044). */
export function planStages(written: readonly WrittenStage[], planning: StagePlanning): StageTable {
  const table = new StageTable();
  const mistakes = new Mistakes();
  for (const [index, stage] of written.entries()) {
    mistakes.within(() =>
      at(planning.source, stage.from.range, () => planStage(stage, index, planning, table)),
    );
  }
  mistakes.finish();
  return table;
}
