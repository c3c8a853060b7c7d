import type { ArgumentForm, AstNode, EscapeCharacter, Word } from "./ast.ts";
import { dockerfileError, type SourceText } from "./error.ts";
import { type ArgumentWord, splitFlags, splitQuotedWords } from "./grammar/argument.ts";
import { parseJsonForm } from "./json-form.ts";
import type { LogicalLine } from "./line.ts";
import { isSpace, leadingSpace, trimSpace } from "./space.ts";

/** What a logical line is read with. */
export interface LineContext {
  readonly source: SourceText;
  readonly line: LogicalLine;
  readonly range: AstNode["range"];
  readonly escape: EscapeCharacter;
}

interface Arguments {
  readonly form: ArgumentForm;
  readonly args: readonly ArgumentWord[];
  readonly trigger?: AstNode;
}

type ArgumentReader = (text: string, offset: number, context: LineContext) => Arguments;

/** Chained ONBUILDs are refused later; deeper than this they are not even read. */
const MAX_TRIGGERS = 8;

const READERS: Readonly<Record<string, ArgumentReader>> = {
  add: jsonOrWords,
  arg: (text, offset, context) => wordsForm(shift(splitQuotedWords(text, context.escape), offset)),
  cmd: jsonOrRaw,
  copy: jsonOrWords,
  entrypoint: jsonOrRaw,
  env: (text, offset, context) => pairs("ENV", text, offset, context),
  expose: blankSeparated,
  from: blankSeparated,
  healthcheck: typeThenCommand,
  label: (text, offset, context) => pairs("LABEL", text, offset, context),
  maintainer: raw,
  run: jsonOrRaw,
  shell: jsonOrRaw,
  stopsignal: raw,
  user: raw,
  volume: jsonOrWords,
  workdir: raw,
};

/** Keywords in upper case, for suggestions. */
export const INSTRUCTION_NAMES: readonly string[] = [...Object.keys(READERS), "onbuild"]
  .map((name) => name.toUpperCase())
  .sort();

/**
 * Reads one logical line, or the part of it from `offset` (the trigger of an ONBUILD), into a node. Throws
 * TSB_DOCKERFILE where the arguments cannot be read; whether they make sense is checked by `parseInstructions`.
 */
export function readNode(context: LineContext, comments: readonly string[], offset = 0, depth = 0): AstNode {
  const original = context.line.text.slice(offset);
  const start = offset + leadingSpace(original);
  const text = trimSpace(original);
  const keyword = /^[^\t\v\f\r ]*/.exec(text)![0];
  const afterKeyword = text.slice(keyword.length);
  const gap = /^[\t\v\f\r ]*/.exec(afterKeyword)![0].length;
  const { flags, restOffset } = splitFlags(afterKeyword.slice(gap), context.escape);
  const rest = afterKeyword.slice(gap + restOffset);
  const restStart = start + keyword.length + gap + restOffset + leadingSpace(rest);
  const { form, args, trigger } = readArguments(keyword, trimSpace(rest), restStart, context, depth);
  const flagStart = start + keyword.length + gap;
  return {
    keyword,
    original: depth === 0 ? original : text,
    range: context.range,
    column: context.line.position(start).column,
    flags: shift(flags, flagStart).map((flag) => located(flag, context.line)),
    form,
    args: args.map((arg) => located(arg, context.line)),
    ...(trigger === undefined ? {} : { trigger }),
    heredocs: [],
    prevComment: comments,
  };
}

function readArguments(
  keyword: string,
  text: string,
  offset: number,
  context: LineContext,
  depth: number,
): Arguments {
  const name = keyword.toLowerCase();
  if (name === "onbuild") return trigger(text, offset, context, depth);
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  if (reader === undefined) return { form: "raw", args: [{ text: "", offset }] };
  return text === "" ? { form: "none", args: [] } : reader(text, offset, context);
}

function trigger(text: string, offset: number, context: LineContext, depth: number): Arguments {
  if (text === "") return { form: "none", args: [] };
  if (depth === MAX_TRIGGERS) throw fail(context, "ONBUILD ONBUILD … cannot be chained", offset);
  return { form: "trigger", args: [], trigger: readNode(context, [], offset, depth + 1) };
}

function raw(text: string, offset: number): Arguments {
  return { form: "raw", args: [{ text, offset }] };
}

function wordsForm(args: readonly ArgumentWord[]): Arguments {
  return { form: "words", args };
}

function blankSeparated(text: string, offset: number): Arguments {
  const args: ArgumentWord[] = [];
  for (const match of text.matchAll(/[^\t\v\f\r ]+/g))
    args.push({ text: match[0], offset: offset + match.index });
  return wordsForm(args);
}

function json(text: string, offset: number, context: LineContext): Arguments | undefined {
  const args = parseJsonForm(text);
  if (args === "not-strings") {
    const hint = 'quote every item: ["program", "argument"]';
    throw fail(context, "an array of arguments in JSON form may hold strings only", offset, hint);
  }
  return args === undefined ? undefined : { form: "json", args: shift(args, offset) };
}

function jsonOrRaw(text: string, offset: number, context: LineContext): Arguments {
  return json(text, offset, context) ?? raw(text, offset);
}

function jsonOrWords(text: string, offset: number, context: LineContext): Arguments {
  return json(text, offset, context) ?? blankSeparated(text, offset);
}

/** HEALTHCHECK: the type is one word, the rest is like CMD. */
function typeThenCommand(text: string, offset: number, context: LineContext): Arguments {
  let end = 0;
  while (end < text.length && !isSpace(text.charCodeAt(end))) end++;
  const type = { text: text.slice(0, end), offset };
  const gap = leadingSpace(text.slice(end));
  const command = text.slice(end + gap);
  if (command === "") return { form: "raw", args: [type] };
  const { form, args } = jsonOrRaw(command, offset + end + gap, context);
  return { form, args: [type, ...args] };
}

/** ENV and LABEL (FEATURES D118): the first word decides between `k=v …` and the old `k rest of line`. */
function pairs(instruction: string, text: string, offset: number, context: LineContext): Arguments {
  const words = splitQuotedWords(text, context.escape);
  const first = words[0];
  if (first === undefined) return { form: "none", args: [] };
  if (!first.text.includes("=")) return legacyPair(instruction, text, offset, context);
  return { form: "pairs", args: words.flatMap((word) => keyValue(word, offset, context)) };
}

function keyValue(word: ArgumentWord, offset: number, context: LineContext): ArgumentWord[] {
  const at = offset + word.offset;
  const equals = word.text.indexOf("=");
  if (equals === -1) {
    throw fail(
      context,
      `${JSON.stringify(word.text)} has no "=": expected name=value`,
      at,
      "quote values with blanks",
    );
  }
  return [
    { text: word.text.slice(0, equals), offset: at },
    { text: word.text.slice(equals + 1), offset: at + equals + 1 },
    { text: "=", offset: at + equals },
  ];
}

function legacyPair(instruction: string, text: string, offset: number, context: LineContext): Arguments {
  const gap = /[\t\v\f\r ]+/.exec(text);
  if (gap === null) {
    const hint = `${instruction} ${text}= sets it to nothing`;
    throw fail(context, `${instruction} ${text} has no value`, offset, hint);
  }
  const valueStart = gap.index + gap[0].length;
  const args = [
    { text: text.slice(0, gap.index), offset },
    { text: text.slice(valueStart), offset: offset + valueStart },
    { text: "", offset: offset + gap.index },
  ];
  return { form: "pairs", args };
}

function shift(words: readonly ArgumentWord[], by: number): readonly ArgumentWord[] {
  return words.map((word) => ({ text: word.text, offset: word.offset + by }));
}

function located(word: ArgumentWord, line: LogicalLine): Word {
  return { text: word.text, ...line.position(word.offset) };
}

function fail(context: LineContext, message: string, offset: number, hint?: string) {
  const { line, column } = context.line.position(offset);
  return dockerfileError(context.source, { range: context.range, line, column }, message, hint);
}
