import { errnoCode } from "@tsbuild/base";
import { runCli } from "./cli.ts";
import { exitAtOnce, loadEngine } from "./engine-loader.ts";
import { watchInterrupts } from "./interrupts.ts";
import type { CommandIo } from "./io.ts";
import { standardError } from "./standard-error.ts";

/** Runs the command line of this process, and ends it. */
export async function runProcess(): Promise<void> {
  // Set by bin/tsbuild for this process alone; what is started from here has its own.
  delete process.env["NODE_COMPILE_CACHE"];
  const interrupts = watchInterrupts(process, (status) => process.exit(status));
  let readerLeft = false;
  let lost: Error | undefined;
  // Made when they are first used: to load them takes a cached build, which says little, as much as a tenth of its own code.
  let stdout: NodeJS.WriteStream | undefined;
  let stderr: NodeJS.WriteStream | undefined;
  const standardOutput = (): NodeJS.WriteStream => {
    stdout ??= process.stdout.on("error", (error) => {
      readerLeft = true;
      if (errnoCode(error) === "EPIPE") return interrupts.brokenPipe();
      lost ??= error;
      interrupts.outputLost();
    });
    return stdout;
  };
  const errors = standardError(() => {
    stderr = process.stderr.on("error", () => undefined);
    return stderr;
  });
  const io: CommandIo = {
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return standardOutput();
    },
    stderr: errors,
    env: process.env,
    openEngine: loadEngine,
    signal: interrupts.signal,
    forwardSignals: (send) => interrupts.forward(send),
    isQuiet: () => readerLeft,
  };
  const status = await runCli(process.argv.slice(2), io);
  // A pipe takes 64 KiB at a time: what its reader has not fetched yet would be lost with the process.
  await Promise.all([stdout, stderr].map(written));
  // An error of a write that was tried at once is told a turn later.
  await new Promise((resolve) => setImmediate(resolve));
  interrupts.stop();
  if (lost !== undefined) {
    errors.write(`ERROR: standard output cannot be written: ${lost.message}\n`);
    process.exit(1);
  }
  exitAtOnce(process);
  // No stray handle keeps us.
  process.exit(status === 0 ? 0 : (interrupts.status() ?? status));
}

/** Resolves when all that was written to the stream, if it was made, is with the system, or cannot get there any more. */
async function written(stream: NodeJS.WriteStream | undefined): Promise<void> {
  if (stream === undefined || stream.writableLength === 0) return;
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
