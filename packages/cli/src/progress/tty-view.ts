import type { BuildEvent } from "@tsbuild/base";
import type { CommandIo } from "../io.ts";
import type { ProgressView } from "./driver.ts";
import { buildFrame, type FrameOptions, finalLines } from "./frame.ts";
import type { FramePainter } from "./ink-frame.ts";
import { hasColors } from "./mode.ts";
import { type Line, paint } from "./paint.ts";
import type { BuildOutcome } from "./report.ts";
import { type BuildState, initialState, reduceBuild } from "./state.ts";
import { asciiMarks, type Marks, stepLine, unicodeMarks } from "./step-line.ts";

/** A build that is over before this is shown by its summary alone: loading ink would take longer than the build. */
const FIRST_FRAME_MS = 200;
const FRAME_MS = 100;
const LOG_LINES = 6;

/** The live view of a terminal (C040). */
export class TtyView implements ProgressView {
  readonly #io: CommandIo;
  readonly #marks: Marks;
  readonly #logLines: number;
  readonly #frameMs: number;
  readonly #retired = new Set<string>();
  readonly #retiredText: string[] = [];
  #state: BuildState = initialState;
  #painter: Promise<FramePainter> | undefined;
  #timer: NodeJS.Timeout;
  #ended = false;

  constructor(io: CommandIo) {
    this.#io = io;
    this.#marks = isUtf8(io.env) ? unicodeMarks : asciiMarks;
    this.#logLines = setting(io.env["BUILDKIT_TTY_LOG_LINES"], LOG_LINES);
    this.#frameMs = Math.max(16, setting(io.env["TTY_DISPLAY_RATE"], FRAME_MS));
    this.#timer = setTimeout(() => void this.#show(), FIRST_FRAME_MS);
  }

  onEvent(event: BuildEvent): void {
    this.#state = reduceBuild(this.#state, event);
  }

  async finish(outcome: BuildOutcome): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    const painter = await this.#painter;
    await painter?.close();
    const lines = finalLines(this.#state, this.#retired, outcome, this.#options());
    if (lines.length > 0) this.#io.stderr.write(`${lines.map((line) => this.#paint(line)).join("\n")}\n`);
  }

  /** Draws a frame, and sees to the next. */
  async #show(): Promise<void> {
    this.#painter ??= import("./ink-frame.ts").then(({ startInk }) =>
      startInk(this.#io.stderr, { debug: false }),
    );
    const painter = await this.#painter;
    if (this.#ended) return;
    this.#draw(painter);
    this.#timer = setTimeout(() => void this.#show(), this.#frameMs);
  }

  #draw(painter: FramePainter): void {
    const options = this.#options();
    const frame = buildFrame(this.#state, this.#retired, options);
    for (const step of frame.retired) {
      this.#retired.add(step.key);
      this.#retiredText.push(this.#paint(stepLine(step, options)));
    }
    painter.draw({ retired: this.#retiredText, lines: frame.lines.map((line) => this.#paint(line)) });
  }

  #paint(line: Line): string {
    return paint(line, hasColors(this.#io.stderr, this.#io.env));
  }

  #options(): FrameOptions {
    const { columns, rows } = this.#io.stderr;
    return {
      // The last column stays free: some terminals break the line when it is written.
      columns: (columns || 80) - 1,
      rows: rows || 24,
      now: Date.now(),
      logLines: this.#logLines,
      marks: this.#marks,
      canceling: this.#io.signal.aborted,
    };
  }
}

function isUtf8(env: CommandIo["env"]): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  // An unset locale is usual in containers, whose terminals speak UTF-8 all the same.
  return locale === "" || /utf-?8/i.test(locale);
}

/** A setting from the environment: a whole number from 0. */
function setting(text: string | undefined, otherwise: number): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : otherwise;
}
