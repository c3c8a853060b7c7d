/** Writes docs/rules from the rule catalogue: `node scripts/rule-pages.ts`. */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CATALOGUE, type CatalogueRule, ruleSlug } from "@tsbuild/frontend/catalogue";

export const rulePagesFolder = join(import.meta.dirname, "../docs/rules");

const MADE = "Made by `node scripts/rule-pages.ts` from the rules in `packages/frontend/src/lint`.";

function traits({ severity, isOwn, fixable, experimental }: CatalogueRule): string {
  const origin = isOwn ? "`tsbuild check`" : "builds, `tsbuild check`, `build --check`; BuildKit has it, too";
  return [
    `Severity: ${severity}. Reported by: ${origin}.`,
    ...(fixable ? ["`tsbuild check --fix` repairs it."] : []),
    ...(experimental ? ["Only when asked for: `# check=experimental=NAME`."] : []),
  ].join(" ");
}

function page(rule: CatalogueRule): string {
  const { name, what, why, bad, good } = rule;
  return `${[
    `# ${name}`,
    "",
    what,
    "",
    traits(rule).replace("NAME", name),
    "",
    "## Why",
    "",
    why,
    "",
    "## Bad",
    "",
    "```dockerfile",
    bad.trimEnd(),
    "```",
    "",
    "## Good",
    "",
    "```dockerfile",
    good.trimEnd(),
    "```",
    "",
    `To silence it: \`# check=skip=${name}\` as the first line of the file, or above one instruction.`,
  ].join("\n")}\n`;
}

function overview(): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = (isOwn: boolean) =>
    CATALOGUE.filter((rule) => rule.isOwn === isOwn).map(
      ({ name, severity, what, fixable }) =>
        `| [${name}](${ruleSlug(name)}.md) | ${severity} | ${fixable ? "yes" : ""} | ${cell(what)} |`,
    );
  const heading = ["| Rule | Severity | `--fix` | Reports |", "|---|---|---|---|"];
  return `${[
    "# Rules of tsbuild check",
    "",
    MADE,
    "",
    "## Rules that BuildKit has, too",
    "",
    ...heading,
    ...rows(false),
    "",
    "## Rules of tsbuild",
    "",
    "Reported by `tsbuild check`, not by builds.",
    "",
    ...heading,
    ...rows(true),
    "",
    "## Silencing",
    "",
    "`# check=skip=RULE,RULE` or `# check=skip=all` at the top of a file holds for the file, above an instruction for",
    "that instruction. `# check=error=true` makes warnings errors, also in a build.",
  ].join("\n")}\n`;
}

/** Names and texts of all pages. */
export function rulePages(): ReadonlyMap<string, string> {
  return new Map([
    ["README.md", overview()],
    ...CATALOGUE.map((rule): [string, string] => [`${ruleSlug(rule.name)}.md`, page(rule)]),
  ]);
}

if (import.meta.main) {
  const pages = rulePages();
  await mkdir(rulePagesFolder, { recursive: true });
  for (const name of await readdir(rulePagesFolder))
    if (!pages.has(name)) await rm(join(rulePagesFolder, name));
  for (const [name, text] of pages) await writeFile(join(rulePagesFolder, name), text);
}
