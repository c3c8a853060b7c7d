import { commandSpecs } from "./commands.ts";
import { type CommandSpec, type FlagSpec, globalFlags } from "./spec.ts";

/** Column where the text of a flag begins. */
const TEXT_COLUMN = 32;
const LINE_WIDTH = 100;

/** `tsbuild --help`. */
export function programHelp(): string {
  const width = Math.max(...commandSpecs.map((spec) => spec.name.length));
  const commands = commandSpecs.map((spec) => `  ${spec.name.padEnd(width)}   ${spec.summary}`);
  return lines([
    "Usage: tsbuild COMMAND [flags]",
    "",
    "Builds container images from Dockerfiles, without a daemon.",
    "",
    "Commands:",
    ...commands,
    "",
    ...flagGroups(globalFlags),
    "  -v, --version                 Print the version",
    "",
    ...exitCodes,
    "",
    "tsbuild COMMAND --help tells more about a command.",
  ]);
}

/** `tsbuild COMMAND --help`. */
export function commandHelp(spec: CommandSpec): string {
  return lines([
    `Usage: tsbuild ${spec.name} ${spec.usage}`.trimEnd(),
    "",
    `${spec.summary}.`,
    ...(spec.description === undefined ? [] : ["", ...spec.description]),
    "",
    ...flagGroups([...spec.flags, ...globalFlags]),
    ...exampleLines(spec),
    ...exitCodes,
  ]);
}

/** Kept equal to docs/exit-codes.md by a test. */
const exitCodes = [
  "Exit codes:",
  "  0 success; 1 failure; 2 wrong usage; 100 an internal error; 102 out of memory;",
  "  130 canceled by Ctrl-C (129 SIGHUP, 143 SIGTERM); run: the command's own, 137 when it was",
  "  killed, 125 tsbuild's.",
];

/** The flags under the titles of their groups, in order of first appearance. */
function flagGroups(flags: readonly FlagSpec[]): string[] {
  const groups = [...new Set(flags.map((flag) => flag.group))];
  return groups.flatMap((group) => [
    `${group}:`,
    ...flags.filter((flag) => flag.group === group).flatMap(flagLines),
    "",
  ]);
}

/** A value that may be left out can only stand behind `=`. */
export function shownValue({ value, bare }: FlagSpec): string {
  if (value === undefined) return "";
  return bare === undefined ? ` ${value}` : `[=${value}]`;
}

/** `-t, --tag NAME[:TAG]`: how a flag is typed. */
export function flagSpelling(flag: FlagSpec): string {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  return `${short}--${flag.name}${shownValue(flag)}`;
}

function flagLines(flag: FlagSpec): string[] {
  const left = `  ${flagSpelling(flag)}`;
  const [first = "", ...more] = wrap(flag.text, LINE_WIDTH - TEXT_COLUMN);
  const indented = more.map((line) => " ".repeat(TEXT_COLUMN) + line);
  if (left.length + 2 > TEXT_COLUMN) return [left, " ".repeat(TEXT_COLUMN) + first, ...indented];
  return [left.padEnd(TEXT_COLUMN) + first, ...indented];
}

function exampleLines(spec: CommandSpec): string[] {
  if (spec.examples.length === 0) return [];
  const width = Math.max(...spec.examples.map((example) => example.command.length));
  const rows = spec.examples.map(({ command, text }) => `  ${command.padEnd(width)}   ${text}`.trimEnd());
  return ["Examples:", ...rows, ""];
}

function wrap(text: string, width: number): string[] {
  const out: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      out.push(line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return line === "" ? out : [...out, line];
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
