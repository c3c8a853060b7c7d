import type { RulePage } from "../rule-page.ts";
import type { RuleName } from "../rules.ts";

/** The page of a rule that BuildKit has, too. */
export interface ReferencePage extends RulePage {
  readonly name: RuleName;
}
