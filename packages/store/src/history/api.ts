import type { Kept } from "./kept.ts";

/**
 * Builds that were run on a state folder. Documents are text of the caller's; the store knows no fields of theirs. Several
 * processes write entries at once; one that dies leaves its entry as far as it came, and not open any more.
 *
 * Nothing is fsynced: a power cut may leave entries of the last builds empty or cut, and nothing else.
 */
export interface HistoryStore {
  /** Opens an entry, which others see from now on. Throws TSB_STORE, TSB_DISK_FULL. */
  begin(startedAtMs: number): HistoryWriter;
  /** Newest first by start. */
  list(): readonly HistoryEntry[];
  /** Removes an entry with its logs, at once for all who look. False when it is not there or is being written. */
  remove(id: string): boolean;
  /**
   * Removes the oldest entries, but for those being written. Of the number it keeps up to an eighth more, so that not every
   * build has something to remove; the newest entry stays whatever its logs take. Without `logBytes` no size is looked at.
   */
  trim(bounds: { readonly builds: number; readonly logBytes?: number | undefined }): void;
}

export interface HistoryEntry {
  /** Eight hexadecimal digits. */
  readonly id: string;
  readonly startedAtMs: number;
  /** As last written; undefined when nothing was. */
  document(): string | undefined;
  /** True as long as the process that writes it lives and has not closed it. */
  isOpen(): boolean;
  /** Frames of a step's log in order, read piece by piece; none when it has no log. */
  log(step: string): Iterable<LogFrame>;
}

/** A piece of output; a large one is read back in several. */
export interface LogFrame {
  readonly stream: 1 | 2;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly data: Uint8Array;
}

/** Its methods throw what the filesystem says (ENOSPC). */
export interface HistoryWriter {
  readonly id: string;
  /** Replaces the document as a whole. */
  write(document: string): void;
  /** The same by another thread, for what may wait: a disk that is being synced can take its time. One at a time, and none when `write` is called. */
  writeLater(document: string): Promise<void>;
  /** Appends to the log of a step; `step` is letters, digits, `.`, `_` and `-`. */
  log(step: string, frame: LogFrame): void;
  /**
   * Keeps snapshots from collection until the entry is removed, five newer ones of its project keep some, or `prune --all`. The caller
   * holds them meanwhile.
   */
  keep(kept: Kept): void;
  /** Removes what was logged, and logs nothing more. */
  dropLogs(): void;
  /** Ends the entry: it is not open any more. Again: nothing. */
  close(): void;
  /** Ends the entry and removes it. */
  discard(): void;
}
