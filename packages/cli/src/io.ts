import type { Engine, EngineOptions } from "@tsbuild/engine";

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
  /** From now on Ctrl-C belongs to the command that was given the terminal. */
  leaveCtrlC(): void;
  /** Whoever read standard output has gone, and knows why: no error is to be printed. */
  isQuiet(): boolean;
}

/** The bytes of an input; text (a fake stream of a test) as UTF-8. */
export async function* inputBytes(input: InputStream): AsyncGenerator<Uint8Array> {
  for await (const chunk of input) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
}
