export type Severity = "error" | "warning" | "info";

/** A rule for people: docs/rules has a page of each, made of this. */
export interface RulePage {
  readonly name: string;
  readonly severity: Severity;
  /** What it reports, in one sentence. */
  readonly what: string;
  readonly why: string;
  /** A Dockerfile that it reports something in, and one that it accepts. */
  readonly bad: string;
  readonly good: string;
  /** `tsbuild check --fix` repairs it. */
  readonly fixable?: boolean;
  /** Reports only when a `check` directive asks for it. */
  readonly experimental?: boolean;
}
