import { bugText, hideCredentials, type SourceLocation, TsbuildError } from "@tsbuild/base";
import { safeLine, safeText } from "./sanitize.ts";

/** Lines shown before and after the ones an error points at. */
const CONTEXT_LINES = 3;
/** Lines of one window; a here-document of a thousand lines is not shown whole. */
const WINDOW_LINES = 24;

export interface ErrorStyle {
  /** Print causes and stacks (--debug). */
  readonly debug?: boolean;
  readonly color?: boolean;
}

/** Errors of one run that are shown; a file of nonsense has one in every line. */
const MAX_ERRORS = 10;

/**
 * An error as people read it: the place in their file, one sentence, what to do; those found with it, too, in the
 * order of the file. Ends with a line break.
 */
export function formatError(error: unknown, style: ErrorStyle = {}): string {
  const errors = inFileOrder(error);
  const shown = errors.slice(0, MAX_ERRORS).map((one) => formatOne(one, style));
  if (errors.length > MAX_ERRORS) shown.push(`… and ${errors.length - MAX_ERRORS} more errors\n`);
  return shown.join("\n") + (style.debug ? [...debugLines(error), ""].join("\n") : "");
}

/** The error and those found at the same time; of several files, in the order found. */
function inFileOrder(error: unknown): readonly unknown[] {
  if (!(error instanceof TsbuildError) || error.related.length === 0) return [error];
  const errors = [error, ...error.related];
  const isOneFile = errors.every(({ source }) => source?.file === error.source?.file);
  const line = ({ source }: TsbuildError): number => source?.ranges[0]?.start ?? 0;
  return isOneFile ? errors.toSorted((a, b) => line(a) - line(b)) : errors;
}

function formatOne(error: unknown, style: ErrorStyle): string {
  const known = error instanceof TsbuildError ? error : undefined;
  const window = known?.source === undefined ? [] : sourceWindow(known.source);
  const red = (text: string) => (style.color ? `\x1b[31m${text}\x1b[0m` : text);
  const sentence = known?.message ?? `${bugText(error)} (--debug shows where; please report it)`;
  return [
    ...window,
    `${red("ERROR:")} ${safeText(sentence)}`,
    ...(known?.hint === undefined ? [] : [`hint: ${safeText(known.hint)}`]),
    "",
  ].join("\n");
}

/** `Dockerfile:3`, then the lines around with `>>>` at those meant; only the place when the text isn't known. */
export function sourceWindow(source: SourceLocation): string[] {
  const start = Math.min(...source.ranges.map((range) => range.start));
  const file = safeLine(source.file);
  // Line 0 is none: that of an empty file.
  if (!Number.isFinite(start) || start === 0) return [file];
  const place = `${file}:${source.line ?? start}${source.column === undefined ? "" : `:${source.column}`}`;
  if (source.text === undefined) return [place];
  const rule = "-".repeat(20);
  return [place, rule, ...windowLines(source, source.text, start), rule];
}

function windowLines(source: SourceLocation, text: string, start: number): string[] {
  const all = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const end = Math.max(...source.ranges.map((range) => range.end));
  const from = Math.max(1, start - CONTEXT_LINES);
  const to = Math.min(all.length, end + CONTEXT_LINES, from + WINDOW_LINES - 1);
  const width = Math.max(4, String(to).length + 1);
  const out: string[] = [];
  for (let number = from; number <= to; number++) {
    const meant = source.ranges.some((range) => number >= range.start && number <= range.end);
    const line = (all[number - 1] ?? "").replaceAll("\t", "    ");
    out.push(
      `${String(number).padStart(width)} | ${meant ? ">>>" : "   "} ${hideCredentials(safeLine(line))}`.trimEnd(),
    );
    if (number === (source.line ?? start) && source.column !== undefined)
      out.push(caret(width, all[number - 1] ?? "", source.column));
  }
  if (to < end) out.push(`${"".padStart(width)} | … ${end - to} more lines`);
  return out;
}

/** `^` below the column, which tabs before it move. */
function caret(width: number, line: string, column: number): string {
  const before = line.slice(0, column - 1).replaceAll("\t", "    ");
  return `${"".padStart(width)} |     ${" ".repeat(before.length)}^`;
}

/** Causes from the outside in, each with its stack. */
function debugLines(error: unknown): string[] {
  const lines: string[] = [];
  const seen = new Set<unknown>();
  for (let at = error; at !== undefined && at !== null && !seen.has(at); at = causeOf(at)) {
    seen.add(at);
    const code = at instanceof TsbuildError ? `[${at.code}] ` : "";
    const text = at instanceof Error ? (at.stack ?? `${at.name}: ${at.message}`) : String(at);
    lines.push("", `${lines.length === 0 ? "" : "caused by: "}${code}${safeText(text)}`);
  }
  return lines;
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
