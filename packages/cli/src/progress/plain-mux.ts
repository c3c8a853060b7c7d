/** Output moves to another step when the present one has said nothing for so long … */
const QUIET_MS = 500;
/** … and has had the floor for at least this long … */
const MIN_FLOOR_MS = 1000;
/** … or whatever it says, when another has waited and it has had the floor for this long. */
const MAX_FLOOR_MS = 5000;

/** What stands around the lines that a step has the floor for. */
export interface Groups {
  /** The header as it is printed. */
  begin(header: string): string;
  /** After the last line; before the empty one. */
  readonly end: string;
}

export const noGroups: Groups = { begin: (header) => header, end: "" };

/** Workflow commands for the log: GitHub folds each group. Nobody else can give them: a line of a step has its number before it. */
export const githubGroups: Groups = { begin: (header) => `::group::${header}`, end: "::endgroup::\n" };

interface Waiting {
  header: string;
  lines: string[];
  ended: boolean;
  /** The header has been printed at least once. */
  shown: boolean;
}

/**
 * One text out of steps that run at the same time. One step has the floor and its lines go straight through; those of
 * the others wait until it ends or is quiet, so that parallel output stays readable. A step that loses the floor
 * before its end leaves `#N ...`, and its header is printed again when it has the floor back (C039).
 */
export class PlainMux {
  /** Steps in order of start. */
  readonly #steps = new Map<number, Waiting>();
  #floor: number | undefined;
  #floorSince = 0;
  #lastLineAt = 0;
  #text = "";
  readonly #groups: Groups;

  constructor(groups: Groups = noGroups) {
    this.#groups = groups;
  }

  open(step: number, header: string, at: number): void {
    this.#steps.set(step, { header, lines: [], ended: false, shown: false });
    if (this.#floor === undefined) this.#give(step, at);
  }

  add(step: number, line: string, at: number): void {
    const waiting = this.#steps.get(step);
    if (waiting === undefined) return;
    if (this.#floor === undefined) this.#give(step, at);
    if (this.#floor !== step) {
      waiting.lines.push(line);
      return;
    }
    this.#text += `${line}\n`;
    this.#lastLineAt = at;
  }

  /** Nothing follows for this step. */
  close(step: number): void {
    const waiting = this.#steps.get(step);
    if (waiting === undefined) return;
    if (this.#floor === step) this.#leave();
    else waiting.ended = true;
  }

  /** The text that is due at this time. */
  take(at: number): string {
    if (this.#floor === undefined) this.#next(at);
    else if (this.#mayMove(at)) this.#moveOn(at);
    const text = this.#text;
    this.#text = "";
    return text;
  }

  /** Everything that still waits; every step has been closed. */
  takeAll(): string {
    this.#next(0);
    const text = this.#text;
    this.#text = "";
    return text;
  }

  #mayMove(at: number): boolean {
    const held = at - this.#floorSince;
    if (held >= MAX_FLOOR_MS) return true;
    return held >= MIN_FLOOR_MS && at - this.#lastLineAt >= QUIET_MS;
  }

  /** The floor goes to a step that waits with something to say, if there is one. */
  #moveOn(at: number): void {
    const holder = this.#floor;
    const someoneWaits = [...this.#steps].some(([step, waiting]) => step !== holder && hasText(waiting));
    if (holder === undefined || !someoneWaits) return;
    this.#text += `#${holder} ...\n${this.#groups.end}\n`;
    this.#floor = undefined;
    const waiting = this.#steps.get(holder)!;
    // Behind the others, so that the floor goes round.
    this.#steps.delete(holder);
    this.#next(at);
    this.#steps.set(holder, waiting);
  }

  /** Prints the steps that ended while waiting, and gives the floor to the first that runs and has something to say. */
  #next(at: number): boolean {
    for (const [step, waiting] of this.#steps) {
      if (!waiting.ended) continue;
      this.#give(step, at);
      this.#leave();
    }
    for (const [step, waiting] of this.#steps) {
      if (!hasText(waiting)) continue;
      this.#give(step, at);
      return true;
    }
    return false;
  }

  #give(step: number, at: number): void {
    const waiting = this.#steps.get(step)!;
    this.#text += [this.#groups.begin(waiting.header), ...waiting.lines].map((line) => `${line}\n`).join("");
    waiting.lines = [];
    waiting.shown = true;
    this.#floor = step;
    this.#floorSince = at;
    this.#lastLineAt = at;
  }

  #leave(): void {
    if (this.#floor !== undefined) this.#steps.delete(this.#floor);
    this.#floor = undefined;
    this.#text += `${this.#groups.end}\n`;
  }
}

function hasText(waiting: Waiting): boolean {
  return waiting.lines.length > 0 || waiting.ended || !waiting.shown;
}
