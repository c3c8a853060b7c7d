import { type AstNode, expandWord, parse, parseInstruction } from "@tsbuild/dockerfile";
import type { RuleName } from "../rules.ts";
import type { Edit, FixedFile } from "./edit.ts";

/** Repairs what a rule reports at one instruction; no edit when that cannot be done without changing its meaning. */
type Fixer = (file: FixedFile, node: AstNode) => Edit[];

function isOneLine({ range }: AstNode): boolean {
  return range.start === range.end;
}

function cased(text: string, casing: "lower" | "upper"): string {
  return casing === "lower" ? text.toLowerCase() : text.toUpperCase();
}

const fixKeyword: Fixer = (file, node) =>
  file.replaceWord(file.keyword(node), cased(node.keyword, file.casing));

const fixFromAs: Fixer = (file, node) => {
  const as = node.args[1];
  const casing = node.keyword === node.keyword.toLowerCase() ? "lower" : "upper";
  return as === undefined ? [] : file.replaceWord(as, cased(as.text, casing));
};

/** The name, and FROMs that name it: BuildKit compares those as they are written. */
const fixStageName: Fixer = (file, node) => {
  const name = node.args[2];
  if (name === undefined) return [];
  const lower = name.text.toLowerCase();
  const uses = file.program.stages
    .map(({ from }) => from.node.args[0]!)
    .filter(({ text }) => text.toLowerCase() === lower);
  return [name, ...uses].flatMap((word) => file.replaceWord(word, lower));
};

const fixExpose: Fixer = (file, node) =>
  node.args.flatMap((word) =>
    file.replaceWord(
      word,
      word.text.replace(/\/[A-Za-z]+$/, (protocol) => protocol.toLowerCase()),
    ),
  );

/** Empty lines of the instruction, but for those in its heredocs. */
const fixContinuation: Fixer = (file, { range, heredocs }) => {
  const edits: Edit[] = [];
  for (let line = range.start; line < range.end; line++) {
    const isBody = heredocs.some((heredoc) => line >= heredoc.range.start && line <= heredoc.range.end);
    if (isBody || file.line(line).trim() !== "") continue;
    edits.push({ start: file.offset(line), end: file.offset(line + 1), text: "" });
  }
  return edits;
};

/** Values that show whether two words mean the same: a blank and a quote must come out alike. */
const PROBE = { get: (name: string) => `${name} "x'`, has: () => true, names: () => [] };

/** What the one pair of a line means; undefined when it is no such line. */
function meaning(line: string, file: FixedFile): string | undefined {
  const { escape: mark } = file.ast;
  try {
    const ast = parse(`# escape=${mark}\n${line}\n`, { file: "" });
    const instruction = parseInstruction(ast.nodes[0]!, ast);
    const pairs =
      instruction.kind === "env" ? instruction.env : instruction.kind === "label" ? instruction.labels : [];
    const [pair, ...more] = pairs;
    if (pair === undefined || more.length > 0) return undefined;
    return `${pair.key}=${expandWord(pair.value, PROBE, { escape: mark }).text}`;
  } catch {
    // A candidate that is no valid line is no repair.
    return undefined;
  }
}

const fixLegacyPair: Fixer = (file, node) => {
  const [key, value] = node.args;
  if (!isOneLine(node) || key === undefined || value === undefined) return [];
  const before = meaning(file.line(node.range.start), file);
  const candidates = [`${key.text}=${value.text}`, `${key.text}="${value.text}"`];
  const pair = candidates.find((text) => meaning(`${node.keyword} ${text}`, file) === before);
  if (before === undefined || pair === undefined) return [];
  return [{ start: file.offset(key.line, key.column), end: file.lineEnd(key.line), text: pair }];
};

const fixMaintainer: Fixer = (file, node) => {
  const [author] = node.args;
  if (!isOneLine(node) || author === undefined) return [];
  const value = author.text.trim().replaceAll(/["\\$`]/g, (sign) => `${file.ast.escape}${sign}`);
  const label = cased("LABEL", file.casing);
  const text = `${label} org.opencontainers.image.authors="${value}"`;
  const { start } = node.range;
  return [{ start: file.offset(start, node.column), end: file.lineEnd(start), text }];
};

const fixTargetPlatform: Fixer = (file, node) =>
  node.flags
    .filter(({ text }) => text.startsWith("--platform="))
    .flatMap((flag) => file.replaceWord(flag, ""))
    .map(({ start, end }) => ({
      start,
      end: end + /^[ \t]*/.exec(file.ast.text.slice(end))![0].length,
      text: "",
    }));

/** By rule; a rule that is not here needs somebody who knows what is meant. */
export const FIXERS: Readonly<Partial<Record<RuleName, Fixer>>> = {
  ConsistentInstructionCasing: fixKeyword,
  ExposeProtoCasing: fixExpose,
  FromAsCasing: fixFromAs,
  LegacyKeyValueFormat: fixLegacyPair,
  MaintainerDeprecated: fixMaintainer,
  NoEmptyContinuation: fixContinuation,
  RedundantTargetPlatform: fixTargetPlatform,
  StageNameCasing: fixStageName,
};
