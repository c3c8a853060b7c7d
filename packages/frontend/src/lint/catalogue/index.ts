import { OWN_RULES } from "../own/index.ts";
import type { RulePage, Severity } from "../rule-page.ts";
import { casingPages } from "./casing.ts";
import { instructionPages } from "./instructions.ts";
import { stagePages } from "./stages.ts";

export type { RulePage, Severity } from "../rule-page.ts";

/** A rule with where it comes from. */
export interface CatalogueRule extends RulePage {
  /** False: BuildKit has it, too, under this name. */
  readonly isOwn: boolean;
}

/** All rules, by name. */
export const CATALOGUE: readonly CatalogueRule[] = [
  ...[...casingPages, ...stagePages, ...instructionPages].map((page) => ({ ...page, isOwn: false })),
  ...OWN_RULES.map((rule) => ({ ...rule, isOwn: true })),
].sort((a, b) => (a.name < b.name ? -1 : 1));

const BY_NAME = new Map(CATALOGUE.map((rule) => [rule.name, rule]));

export function severityOf(rule: string): Severity {
  return BY_NAME.get(rule)?.severity ?? "warning";
}

/** Name of a rule's page in docs/rules: `ArgBeforeUse` is `arg-before-use`. */
export function ruleSlug(name: string): string {
  return name
    .replace(/^JSON/, "Json")
    .replaceAll(/(?!^)[A-Z]/g, "-$&")
    .toLowerCase();
}
