import type { BuildEvent } from "@tsbuild/base";
import type { CommandIo } from "../io.ts";
import { hasColors, type ProgressMode } from "./mode.ts";
import { type Printer, SilentPrinter } from "./printer.ts";
import type { BuildOutcome } from "./report.ts";

/** Shows one build: takes its events, and is told how it ended. */
export interface ProgressView {
  onEvent(event: BuildEvent): void;
  /** Resolves when everything is on the screen. */
  finish(outcome: BuildOutcome): Promise<void>;
}

const TICK_MS = 1000;

/** Only the chosen view's module is loaded. */
export async function startProgress(mode: ProgressMode, io: CommandIo): Promise<ProgressView> {
  if (mode === "tty") {
    const { TtyView } = await import("./tty-view.ts");
    return new TtyView(io);
  }
  return new PrinterView(await makePrinter(mode, io), io);
}

async function makePrinter(mode: Exclude<ProgressMode, "tty">, io: CommandIo): Promise<Printer> {
  switch (mode) {
    case "plain": {
      const { PlainPrinter } = await import("./plain.ts");
      return new PlainPrinter({
        colors: hasColors(io.stderr, io.env),
        groups: io.env["GITHUB_ACTIONS"] === "true",
      });
    }
    case "rawjson": {
      const { RawJsonPrinter } = await import("./raw-json.ts");
      return new RawJsonPrinter();
    }
    default:
      return new SilentPrinter();
  }
}

class PrinterView implements ProgressView {
  readonly #printer: Printer;
  readonly #io: CommandIo;
  readonly #timer: NodeJS.Timeout;

  constructor(printer: Printer, io: CommandIo) {
    this.#printer = printer;
    this.#io = io;
    this.#timer = setInterval(() => this.#write(printer.tick(Date.now())), TICK_MS);
    this.#timer.unref();
  }

  onEvent(event: BuildEvent): void {
    this.#write(this.#printer.print(event));
  }

  async finish(outcome: BuildOutcome): Promise<void> {
    clearInterval(this.#timer);
    this.#write(this.#printer.finish(outcome));
  }

  #write(text: string): void {
    if (text !== "") this.#io.stderr.write(text);
  }
}
