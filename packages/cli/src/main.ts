/**
 * The program starts here, and so do its worker threads: bundled, all of it is one file. Nothing is imported at the
 * top: each command, and --version before all, loads only what it needs.
 */
if (asksForVersion(process.argv.slice(2))) {
  void import("./version.ts").then(({ versionText }) => process.stdout.write(`${versionText()}\n`));
} else {
  void import("./thread.ts").then(({ startThread }) => startThread());
}

function asksForVersion(args: readonly string[]): boolean {
  return args.length === 1 && ["--version", "-v", "version"].includes(args[0]!);
}
