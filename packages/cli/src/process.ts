import { errnoCode } from "@tsbuild/base";
import { runCli } from "./cli.ts";
import { loadEngine } from "./engine-loader.ts";
import { watchInterrupts } from "./interrupts.ts";
import type { CommandIo } from "./io.ts";

/** Runs the command line of this process, and ends it. */
export async function runProcess(): Promise<void> {
  // Set by bin/tsbuild for this process alone; what is started from here has its own.
  delete process.env["NODE_COMPILE_CACHE"];
  const interrupts = watchInterrupts(process, (status) => process.exit(status));
  let readerLeft = false;
  process.stdout.on("error", (error) => {
    if (errnoCode(error) !== "EPIPE") throw error;
    readerLeft = true;
    interrupts.brokenPipe();
  });
  // Progress that nobody reads any more is no reason to stop a build.
  process.stderr.on("error", (error) => {
    if (errnoCode(error) !== "EPIPE") throw error;
  });
  const io: CommandIo = {
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    openEngine: loadEngine,
    signal: interrupts.signal,
    leaveCtrlC: () => interrupts.leaveCtrlC(),
    isQuiet: () => readerLeft,
  };
  const status = await runCli(process.argv.slice(2), io);
  interrupts.stop();
  // Output to files, pipes and terminals is synchronous on Linux: nothing is lost, and no stray handle keeps us.
  process.exit(status === 0 ? 0 : (interrupts.status() ?? status));
}
