import { closeSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HistoryWriter, LogFrame } from "./api.ts";
import { type Kept, writeKept } from "./kept.ts";
import { encodeFrame } from "./log-frames.ts";

/** What writes `build.json` and `log-STEP` of one entry. */
export class FolderWriter implements HistoryWriter {
  readonly id: string;
  readonly #folder: string;
  readonly #end: (discard: boolean) => void;
  readonly #logs = new Map<string, number>();
  #dropped = false;
  #closed = false;

  /** `end` gives up the lock, after removing the folder when told so. */
  constructor(id: string, folder: string, end: (discard: boolean) => void) {
    this.id = id;
    this.#folder = folder;
    this.#end = end;
  }

  write(document: string): void {
    const file = join(this.#folder, "build.json");
    writeFileSync(`${file}.new`, document, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  async writeLater(document: string): Promise<void> {
    const file = join(this.#folder, "build.json");
    await writeFile(`${file}.new`, document, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  log(step: string, frame: LogFrame): void {
    if (this.#dropped) return;
    let file = this.#logs.get(step);
    if (file === undefined) {
      file = openSync(this.#logFile(step), "a", 0o600);
      this.#logs.set(step, file);
    }
    // Not writeSync: on a disk that fills up that one writes a part and says nothing.
    writeFileSync(file, encodeFrame(frame));
  }

  keep(kept: Kept): void {
    writeKept(this.#folder, kept);
  }

  dropLogs(): void {
    for (const step of this.#logs.keys()) rmSync(this.#logFile(step), { force: true });
    this.#closeLogs();
    this.#dropped = true;
  }

  close(): void {
    this.#finish(false);
  }

  discard(): void {
    this.#finish(true);
  }

  #finish(discard: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeLogs();
    this.#end(discard);
  }

  #closeLogs(): void {
    for (const file of this.#logs.values()) closeSync(file);
    this.#logs.clear();
  }

  #logFile(step: string): string {
    return join(this.#folder, `log-${step}`);
  }
}
