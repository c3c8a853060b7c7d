import { addAbortSignal, Readable } from "node:stream";
import type { Engine, EngineOptions } from "@tsbuild/engine";
import type { SendSignal } from "./interrupts.ts";

/** A stream that text goes to; a terminal has a size. */
export interface OutputStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** A stream that input comes from. */
export interface InputStream extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The world of a command: what a test replaces. */
export interface CommandIo {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Environment;
  openEngine(options: EngineOptions): Promise<Engine>;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** From now on signals belong to a command; see Interrupts. */
  forwardSignals(send: SendSignal): void;
  /** Whoever read standard output has gone, and knows why: no error is to be printed. */
  isQuiet(): boolean;
}

/**
 * The bytes of an input; text (a fake stream of a test) as UTF-8. Rejects with the signal's reason as soon as it is
 * aborted: whoever writes to a pipe may never write again.
 */
export async function* inputBytes(input: InputStream, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  if (input instanceof Readable) addAbortSignal(signal, input);
  try {
    for await (const chunk of input) {
      signal.throwIfAborted();
      yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    }
  } catch (error) {
    // A stream that was destroyed by the signal has an error of its own, which says less.
    throw signal.aborted ? signal.reason : error;
  }
}
