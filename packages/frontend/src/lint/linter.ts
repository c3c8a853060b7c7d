import { type LineRange, TsbuildError } from "@tsbuild/base";
import type { Warning } from "../api.ts";
import { locate, mistake, type SourceText } from "../failure.ts";
import { type CheckOptions, inlineOptions } from "./check-options.ts";
import { EXPERIMENTAL_RULES, type RuleName, rulePage } from "./rules.ts";

/** A hostile file may use any number of unknown variables and declare any number of similar ones. */
const MAX_NEAR_MISSES = 100;

/** The names to look through for a near miss, or none. */
export type KnownNames = (names: Iterable<string>) => Iterable<string>;

/** Collects what is worth a warning, as far as it is not skipped. */
export class Linter {
  readonly #options: CheckOptions;
  readonly #warnings: Warning[];
  readonly #outer: Linter | undefined;

  constructor(options: CheckOptions, outer?: Linter) {
    this.#options = options;
    this.#outer = outer;
    this.#warnings = outer === undefined ? [] : outer.#warnings;
  }

  /** The same for one instruction, whose comments may skip rules; it reports to the same list. */
  within(comments: readonly string[]): Linter {
    const inner = inlineOptions(comments);
    return inner === undefined ? this : new Linter(inner, this);
  }

  #isOn(rule: string): boolean {
    return EXPERIMENTAL_RULES.has(rule) ? this.#isAskedFor(rule) : !this.#isSkipped(rule);
  }

  #isAskedFor(rule: string): boolean {
    const { experimentalAll, experimental } = this.#options;
    return (
      experimentalAll ||
      experimental.has(rule) ||
      (this.#outer === undefined ? false : this.#outer.#isAskedFor(rule))
    );
  }

  #isSkipped(rule: string): boolean {
    const { skipAll, skip } = this.#options;
    return skipAll || skip.has(rule) || (this.#outer === undefined ? false : this.#outer.#isSkipped(rule));
  }

  report(rule: RuleName, message: string, range: LineRange | undefined): void {
    if (!this.#isOn(rule)) return;
    this.#warnings.push({ rule, message, url: rulePage(rule), ranges: range === undefined ? [] : [range] });
  }

  /** The same with a message that looks for a near miss, which takes time: not for the hundredth warning. */
  reportNear(rule: RuleName, message: (known: KnownNames) => string, range: LineRange | undefined): void {
    if (!this.#isOn(rule)) return;
    const isMany = this.#warnings.length >= MAX_NEAR_MISSES;
    this.report(
      rule,
      message((names) => (isMany ? [] : names)),
      range,
    );
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
