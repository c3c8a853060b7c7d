import { TsbuildError } from "@tsbuild/base";
import { type DockerfileAst, type DockerfileProgram, parse, parseInstructions } from "@tsbuild/dockerfile";
import type { CheckReport, Diagnostic } from "../../check.ts";
import type { RuleName } from "../rules.ts";
import { applyEdits, type Edit, FixedFile } from "./edit.ts";
import { FIXERS } from "./fixers.ts";

export interface FixResult {
  readonly text: string;
  /** What was repaired. */
  readonly fixed: readonly Diagnostic[];
}

function read(file: string, text: string): { ast: DockerfileAst; program: DockerfileProgram } | undefined {
  try {
    const ast = parse(text, { file });
    return { ast, program: parseInstructions(ast) };
  } catch (error) {
    if (error instanceof TsbuildError) return undefined;
    throw error;
  }
}

function editsFor(file: FixedFile, { rule, ranges: [range] }: Diagnostic): Edit[] {
  const fixer = FIXERS[rule as RuleName];
  if (fixer === undefined || range === undefined) return [];
  // An empty line is reported where it is, anything else at the lines of its instruction.
  const node = file.nodeAt(range.start);
  return node === undefined ? [] : fixer(file, node);
}

/**
 * Repairs what is mechanical of a report; every other byte of the text stays. A file with mistakes is left alone, as
 * is whatever a repair would turn into one. A repair may make room for another: check and repair again.
 */
export function fixDiagnostics({ file: name, text, diagnostics }: CheckReport): FixResult {
  const parsed = read(name, text);
  if (parsed === undefined) return { text, fixed: [] };
  const file = new FixedFile(parsed.ast, parsed.program);
  const found = diagnostics.map((diagnostic) => ({ diagnostic, edits: editsFor(file, diagnostic) }));
  const useful = found.filter(({ edits }) => edits.length > 0);
  if (useful.length === 0) return { text, fixed: [] };
  // A byte order mark is no part of what is parsed.
  const mark = text.length > parsed.ast.text.length && text.startsWith("\uFEFF") ? "\uFEFF" : "";
  const result =
    mark +
    applyEdits(
      parsed.ast.text,
      useful.flatMap(({ edits }) => edits),
    );
  if (read(name, result) === undefined) return { text, fixed: [] };
  return { text: result, fixed: useful.map(({ diagnostic }) => diagnostic) };
}
