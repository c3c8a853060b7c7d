import type { EscapeCharacter } from "./ast.ts";

/** Variables of an expansion. `Map<string, string>` is one. */
export interface VariableLookup {
  get(name: string): string | undefined;
}

/** How a word is read (FEATURES D034–D043). All switches are off by default. */
export interface WordOptions {
  /** Default: backslash. */
  readonly escape?: EscapeCharacter;
  /** References to unset variables stay as they are written. */
  readonly skipUnset?: boolean;
  /** Quotes are kept in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters are kept in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters (bodies of COPY heredocs). */
  readonly skipQuotes?: boolean;
  /** Told of the work of each expansion in bytes, about; what it throws ends the expansion. */
  readonly spend?: (bytes: number) => void;
}

export interface ExpandedWord {
  readonly text: string;
  /** Variables that were looked up and set. */
  readonly matched: ReadonlySet<string>;
  /** Variables that were looked up and not set: for lint UndefinedVar. */
  readonly unmatched: ReadonlySet<string>;
}

export interface ExpandedWords {
  /** The expanded text split at unquoted blanks; blanks that a variable brings split too. */
  readonly words: readonly string[];
  readonly matched: ReadonlySet<string>;
  readonly unmatched: ReadonlySet<string>;
}
