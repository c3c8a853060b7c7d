import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cliReference, cliReferencePath } from "../../../scripts/cli-reference.ts";
import { commandSpecs } from "../src/flags/commands.ts";
import { commandHelp, programHelp } from "../src/flags/help.ts";
import { globalFlags } from "../src/flags/spec.ts";

test("docs/cli.md is what the tables say (node scripts/cli-reference.ts)", () => {
  expect(readFileSync(cliReferencePath, "utf8")).toBe(cliReference());
});

test("help of a command names each of its flags, and fits 110 columns", () => {
  for (const spec of commandSpecs) {
    const help = commandHelp(spec);
    for (const flag of [...spec.flags, ...globalFlags]) expect(help, spec.name).toContain(`--${flag.name}`);
    for (const line of help.split("\n")) expect(line.length, line).toBeLessThanOrEqual(110);
  }
});

test("help of the program names each command", () => {
  for (const spec of commandSpecs) expect(programHelp()).toMatch(new RegExp(`^ {2}${spec.name} +\\S`, "m"));
});

test("exit codes in help are those of docs/exit-codes.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/exit-codes.md"), "utf8");
  const documented = [...page.matchAll(/^\| (\d+) \|/gm)].map((match) => match[1]);
  const help = programHelp().slice(programHelp().indexOf("Exit codes:"));
  // 141 is left out of help: it is what every program in a pipe does.
  expect([...new Set(help.match(/\b\d+\b/g))].sort()).toEqual(
    documented.filter((code) => code !== "141").sort(),
  );
});
