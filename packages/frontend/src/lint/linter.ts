import { type LineRange, TsbuildError } from "@tsbuild/base";
import type { Warning } from "../api.ts";
import { locate, mistake, type SourceText } from "../failure.ts";
import { type CheckOptions, inlineOptions, mergeOptions } from "./check-options.ts";
import { EXPERIMENTAL_RULES, type RuleName, rulePage } from "./rules.ts";

/** Collects what is worth a warning, as far as it is not skipped. */
export class Linter {
  readonly #options: CheckOptions;
  readonly #warnings: Warning[];

  constructor(options: CheckOptions, warnings: Warning[] = []) {
    this.#options = options;
    this.#warnings = warnings;
  }

  /** The same for one instruction, whose comments may skip rules; it reports to the same list. */
  within(comments: readonly string[]): Linter {
    const inner = inlineOptions(comments);
    return inner === undefined ? this : new Linter(mergeOptions(this.#options, inner), this.#warnings);
  }

  #isOn(rule: string): boolean {
    const { skipAll, skip, experimentalAll, experimental } = this.#options;
    if (EXPERIMENTAL_RULES.has(rule)) return experimentalAll || experimental.has(rule);
    return !skipAll && !skip.has(rule);
  }

  report(rule: RuleName, message: string, range: LineRange | undefined): void {
    if (!this.#isOn(rule)) return;
    this.#warnings.push({ rule, message, url: rulePage(rule), ranges: range === undefined ? [] : [range] });
  }

  /** The same for a rule that BuildKit does not have: its page is not on the web. */
  reportOwn(rule: string, message: string, range: LineRange): void {
    if (this.#isOn(rule)) this.#warnings.push({ rule, message, ranges: [range] });
  }

  warnings(): readonly Warning[] {
    return this.#warnings;
  }

  /** Fails when the file wants warnings to be errors (`check=error=true`). */
  refuseWarnings(source: SourceText): void {
    if (!this.#options.fail || this.#warnings.length === 0) return;
    const rules = [...new Set(this.#warnings.map(({ rule }) => rule))].sort();
    const ranges = this.#warnings.flatMap((warning) => warning.ranges);
    const error = mistake(
      `check=error=true makes warnings errors, and there are: ${rules.join(", ")}`,
      "correct what they are about, or name the rules in check=skip=…",
    );
    throw error instanceof TsbuildError ? error.with({ source: locate(source, ranges) }) : error;
  }
}
