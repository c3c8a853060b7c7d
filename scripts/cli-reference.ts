/** Writes docs/cli.md from the tables that the parser and --help read: `node scripts/cli-reference.ts`. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commandSpecs } from "../packages/cli/src/flags/commands.ts";
import { flagSpelling } from "../packages/cli/src/flags/help.ts";
import { type CommandSpec, type FlagSpec, globalFlags } from "../packages/cli/src/flags/spec.ts";

export const cliReferencePath = join(import.meta.dirname, "../docs/cli.md");

/** The text of docs/cli.md. */
export function cliReference(): string {
  return `${[
    "# The command line",
    "",
    "Made by `node scripts/cli-reference.ts` from the tables in `packages/cli/src/flags`.",
    "Flags are spelled as Docker's: `--flag value`, `--flag=value`, `-f value`, `-fvalue`, switches together as in",
    "`-it`. Progress goes to standard error, results to standard output. [Exit codes](exit-codes.md) have a page of their",
    "own.",
    "",
    ...commandSpecs.flatMap(commandSection),
    "## Every command",
    "",
    ...flagTable(globalFlags),
    "",
    ...environment,
  ].join("\n")}\n`;
}

function commandSection(spec: CommandSpec): string[] {
  const flags = spec.flags.length === 0 ? [] : [...flagTable(spec.flags), ""];
  const examples = spec.examples.map(({ command, text }) => `${command}${text === "" ? "" : `   # ${text}`}`);
  return [
    `## ${`tsbuild ${spec.name}`}`,
    "",
    `\`${`tsbuild ${spec.name} ${spec.usage}`.trimEnd()}\``,
    "",
    `${spec.summary}.${spec.description === undefined ? "" : ` ${spec.description.join(" ")}`}`,
    "",
    ...flags,
    ...(examples.length === 0 ? [] : ["```sh", ...examples, "```", ""]),
  ];
}

function flagTable(flags: readonly FlagSpec[]): string[] {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  return [
    "| Flag | Meaning |",
    "|---|---|",
    ...flags.map((flag) => {
      const more = flag.repeat === true ? ". May be given more than once" : "";
      return `| \`${cell(flagSpelling(flag).trim())}\` | ${cell(flag.text)}${more}. |`;
    }),
  ];
}

const environment = [
  "## Environment",
  "",
  "| Variable | Meaning |",
  "|---|---|",
  "| `TSBUILD_ROOT` | State folder, when `--root` is not given. |",
  "| `TSBUILD_OCI_RUNTIME` | OCI runtime that steps run in, when `--oci-runtime` is not given. |",
  "| `TSBUILD_APPARMOR_PROFILE` | AppArmor profile that steps enter, when `--security-opt` is not given. |",
  "| `TSBUILD_SNAPSHOTTER` | `auto`, `overlay` or `copy`, when `--snapshotter` is not given. |",
  "| `BUILDKIT_PROGRESS` | Default of `--progress`. |",
  "| `BUILDKIT_TTY_LOG_LINES` | Live lines of output below a running step on a terminal (6). |",
  "| `TTY_DISPLAY_RATE` | Milliseconds between two frames on a terminal (100). |",
  "| `NO_COLOR` | Set and not empty: no colours. |",
  "| `DOCKER_DEFAULT_PLATFORM` | Default of `--platform`. |",
];

if (import.meta.main) await writeFile(cliReferencePath, cliReference());
