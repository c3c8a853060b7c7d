import { errnoCode } from "@tsbuild/base";
import { runCli } from "./cli.ts";
import { exitAtOnce, loadEngine } from "./engine-loader.ts";
import { watchInterrupts } from "./interrupts.ts";
import type { CommandIo } from "./io.ts";

/** Runs the command line of this process, and ends it. */
export async function runProcess(): Promise<void> {
  // Set by bin/tsbuild for this process alone; what is started from here has its own.
  delete process.env["NODE_COMPILE_CACHE"];
  const interrupts = watchInterrupts(process, (status) => process.exit(status));
  let readerLeft = false;
  let lost: Error | undefined;
  process.stdout.on("error", (error) => {
    readerLeft = true;
    if (errnoCode(error) === "EPIPE") return interrupts.brokenPipe();
    lost ??= error;
    interrupts.outputLost();
  });
  // Progress that nobody reads any more, or that a full disk does not take, is no reason to stop a build.
  process.stderr.on("error", () => undefined);
  const io: CommandIo = {
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    openEngine: loadEngine,
    signal: interrupts.signal,
    forwardSignals: (send) => interrupts.forward(send),
    isQuiet: () => readerLeft,
  };
  const status = await runCli(process.argv.slice(2), io);
  // A pipe takes 64 KiB at a time: what its reader has not fetched yet would be lost with the process.
  await Promise.all([process.stdout, process.stderr].map(written));
  // An error of a write that was tried at once is told a turn later.
  await new Promise((resolve) => setImmediate(resolve));
  interrupts.stop();
  if (lost !== undefined) {
    process.stderr.write(`ERROR: standard output cannot be written: ${lost.message}\n`);
    process.exit(1);
  }
  exitAtOnce(process);
  // No stray handle keeps us.
  process.exit(status === 0 ? 0 : (interrupts.status() ?? status));
}

/** Resolves when all that was written to the stream is with the system, or cannot get there any more. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  await new Promise<void>((resolve) => stream.write("", () => resolve()));
}
