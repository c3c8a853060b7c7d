import {
  type AddInstruction,
  type ArgInstruction,
  expandWord,
  type Stage,
  type WordOptions,
} from "@tsbuild/dockerfile";
import type { State } from "@tsbuild/llb";
import type { CompileRequest } from "./api.ts";
import type { PlatformChoice } from "./context.ts";
import type { Environment } from "./environment.ts";
import { at, mistake, type SourceText } from "./failure.ts";
import { isHttpSource, parseGitReference } from "./git-source.ts";
import { remoteCopy } from "./instructions/remote-sources.ts";
import { isLocalContext, mainContext } from "./main-context.ts";
import { findNamedContext, loadNamedContext } from "./named-context.ts";
import type { RecordingResolver } from "./recording-resolver.ts";
import { EMPTY_IMAGE } from "./stage-names.ts";

const NAME = "SOURCE_DATE_EPOCH";

export interface EpochQuestion {
  readonly request: CompileRequest;
  readonly resolver: RecordingResolver;
  readonly source: SourceText;
  readonly wordOptions: WordOptions;
  readonly platforms: PlatformChoice;
  readonly globalArgs: Environment;
  readonly stages: readonly Stage[];
}

const HINT = `use seconds since 1970, "context", a named context, or a stage FROM scratch with one remote ADD`;

/** The one source op behind a state. */
function sourceOf(state: State): { identifier: string; attrs: Readonly<Record<string, string>> } | undefined {
  const sources = state.toGraph().vertices.flatMap(({ op }) => (op.kind.type === "source" ? [op.kind] : []));
  return sources.length === 1 ? sources[0] : undefined;
}

/** Variables that the ADD of the stage sees. */
function declare(command: ArgInstruction, env: Environment, question: EpochQuestion): void {
  for (const { key, value } of command.args) {
    const given = question.request.buildArgs[key];
    if (given !== undefined) env.set(key, given);
    else if (value !== undefined) env.set(key, expandWord(value, env, question.wordOptions).text);
  }
}

function addedSource(command: AddInstruction, env: Environment, { wordOptions }: EpochQuestion): State {
  const expand = (word: string) => expandWord(word, env, wordOptions).text;
  const [source, ...more] = command.sources.map(expand);
  const remote =
    source !== undefined && (isHttpSource(source) || parseGitReference(source)?.looksLocal === false);
  if (!remote || more.length > 0 || command.contents.length > 0)
    throw mistake(`the ADD of a stage for ${NAME} must have one http(s) or git source`, HINT);
  const { keepGitDir } = command;
  const options = { checksum: expand(command.checksum), keepGitDir, name: "", unpack: undefined };
  return remoteCopy(source, options).from;
}

/** The source of a stage that does nothing but one remote ADD (D056). */
function stageSource(stage: Stage, question: EpochQuestion): State {
  const env = question.globalArgs.clone();
  env.delete(NAME);
  if (expandWord(stage.from.base, env, question.wordOptions).text !== EMPTY_IMAGE)
    throw mistake(`a stage for ${NAME} must be FROM scratch`, HINT);
  let found: State | undefined;
  for (const command of stage.commands) {
    if (command.kind === "arg") declare(command, env, question);
    else if (command.kind !== "add")
      throw mistake(
        `a stage for ${NAME} cannot have ${command.name}: it may have ARG and one remote ADD`,
        HINT,
      );
    else if (found !== undefined)
      throw mistake(`a stage for ${NAME} must have one remote ADD, not several`, HINT);
    else found = addedSource(command, env, question);
  }
  if (found === undefined) throw mistake(`a stage for ${NAME} must have one remote ADD`, HINT);
  return found;
}

/** What the value names, when it is no number. */
async function namedSource(value: string, question: EpochQuestion): Promise<State | undefined> {
  const { request, resolver, source, platforms } = question;
  if (value === "context") return isLocalContext(request) ? undefined : mainContext(request, new Set(), []);
  const stage = question.stages.find(({ from }) => from.stageName === value.toLowerCase());
  const named = isContextName(value) ? findNamedContext(request, value, platforms.target) : undefined;
  if (named !== undefined) {
    const paths = new Set<string>();
    const load = { request, resolver, platform: platforms.target, paths, declaredArgs: new Set<string>() };
    return (await loadNamedContext(named, load)).state;
  }
  if (stage !== undefined) return at(source, stage.from.range, () => stageSource(stage, question));
  throw mistake(`${NAME}=${value} is neither a number nor the name of a stage or context`, HINT);
}

function isContextName(value: string): boolean {
  return /^[a-z0-9][\w./:-]*$/.test(value);
}

/** Seconds since 1970 that a SOURCE_DATE_EPOCH stands for; undefined when it is empty or cannot be told (D056). */
export async function resolveEpoch(value: string, question: EpochQuestion): Promise<number | undefined> {
  if (value === "") return undefined;
  if (/^[+-]?\d{1,15}$/.test(value)) return Number(value);
  if (value === "context" && question.request.contextEpochSeconds !== undefined)
    return question.request.contextEpochSeconds;
  const state = await namedSource(value, question);
  const found = state === undefined ? undefined : sourceOf(state);
  return found === undefined ? undefined : question.resolver.sourceTime(found.identifier, found.attrs);
}

/** The value that is asked for: `--build-arg`, else a default before the first FROM. */
export function wantedEpoch(buildArgs: ReadonlyMap<string, string>, globalArgs: Environment): string {
  return buildArgs.get(NAME) ?? globalArgs.get(NAME) ?? "";
}

/** Puts the number in place of what named it, or takes the variable away, wherever it was given. */
export function setEpoch(
  seconds: number | undefined,
  buildArgs: Map<string, string>,
  globalArgs: Environment,
): void {
  for (const variables of [buildArgs, globalArgs]) {
    if (!variables.has(NAME)) continue;
    if (seconds === undefined) variables.delete(NAME);
    else variables.set(NAME, String(seconds));
  }
}
