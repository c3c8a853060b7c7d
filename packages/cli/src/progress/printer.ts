import type { BuildEvent } from "@tsbuild/base";
import { TsbuildError } from "@tsbuild/base";
import { type BuildOutcome, failureTail } from "./report.ts";
import { type BuildState, initialState, reduceBuild } from "./state.ts";

/**
 * A view of a build as text: pure functions of the events in their order, and of nothing else. Each call returns
 * what is to be written to standard error.
 */
export interface Printer {
  print(event: BuildEvent): string;
  /** Called about once a second with the present time, so that what waits for a pause is shown. */
  tick(at: number): string;
  /** Called once, after the last event. The error itself is not the printer's to print. */
  finish(outcome: BuildOutcome): string;
}

/** `quiet` and `none`: nothing, but the last words of a step that failed. */
export class SilentPrinter implements Printer {
  #state: BuildState = initialState;

  print(event: BuildEvent): string {
    this.#state = reduceBuild(this.#state, event);
    return "";
  }

  tick(): string {
    return "";
  }

  finish(outcome: BuildOutcome): string {
    if (!(outcome.error instanceof TsbuildError)) return "";
    return joinLines(failureTail(this.#state, outcome.error));
  }
}

/** Each line with its break. */
export function joinLines(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}
