/**
 * The program starts here, and so do its worker threads: bundled, all of it is one file. Nothing is imported at the
 * top: each command, and --version before all, loads only what it needs.
 */
void start();

async function start(): Promise<void> {
  if (asksForVersion(process.argv.slice(2))) {
    const { versionText } = await import("./version.ts");
    process.stdout.write(`${versionText()}\n`);
    return;
  }
  const { isMainThread } = await import("node:worker_threads");
  if (isMainThread) await (await import("./process.ts")).runProcess();
  else await (await import("./worker.ts")).runThread();
}

function asksForVersion(args: readonly string[]): boolean {
  return args.length === 1 && ["--version", "-v", "version"].includes(args[0]!);
}
