import { assert, nearest, TsbuildError } from "@tsbuild/base";
import { exitStatus, RUN_FAILED } from "./exit-status.ts";
import { type ParsedFlags, parseFlags } from "./flags/parse.ts";
import type { CommandSpec } from "./flags/spec.ts";
import { formatError } from "./format-error.ts";
import type { CommandIo } from "./io.ts";
import { hasColors } from "./progress/mode.ts";
import { versionText } from "./version.ts";

type Command = (flags: ParsedFlags, io: CommandIo) => Promise<number>;

/** What runs a command; each is loaded when it is asked for. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  build: async () => (await import("./commands/build.ts")).build,
  cache: async () => (await import("./commands/cache.ts")).cache,
  check: async () => (await import("./commands/check.ts")).check,
  context: async () => (await import("./commands/context.ts")).context,
  debug: async () => (await import("./commands/debug.ts")).debug,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
  du: async () => (await import("./commands/du.ts")).du,
  export: async () => (await import("./commands/image-transfer.ts")).exportFiles,
  fmt: async () => (await import("./commands/fmt.ts")).fmt,
  fsck: async () => (await import("./commands/fsck.ts")).fsck,
  graph: async () => (await import("./commands/graph.ts")).graph,
  explain: async () => (await import("./commands/explain.ts")).explain,
  history: async () => (await import("./commands/history.ts")).history,
  image: async () => (await import("./commands/image.ts")).image,
  images: async () => (await import("./commands/images.ts")).images,
  import: async () => (await import("./commands/import.ts")).importImage,
  inspect: async () => (await import("./commands/image.ts")).inspect,
  imagetools: async () => (await import("./commands/imagetools.ts")).imagetools,
  load: async () => (await import("./commands/image-transfer.ts")).load,
  login: async () => (await import("./commands/login.ts")).login,
  logs: async () => (await import("./commands/history.ts")).logsCommand,
  logout: async () => (await import("./commands/login.ts")).logout,
  prune: async () => (await import("./commands/prune.ts")).prune,
  rmi: async () => (await import("./commands/image.ts")).rmi,
  pull: async () => (await import("./commands/image-transfer.ts")).pull,
  push: async () => (await import("./commands/image-transfer.ts")).push,
  run: async () => (await import("./commands/run.ts")).run,
  save: async () => (await import("./commands/image-transfer.ts")).save,
  shell: async () => (await import("./commands/shell.ts")).shell,
  tag: async () => (await import("./commands/image.ts")).tag,
  verify: async () => (await import("./commands/verify.ts")).verify,
  version: async () => version,
  help: async () => help,
};

/** The tables of all commands are large: a build, which is what starts most often, reads its own alone. */
async function specOf(name: string): Promise<CommandSpec> {
  if (name === "build") return (await import("./flags/build-spec.ts")).buildSpec;
  const { commandSpecs } = await import("./flags/commands.ts");
  const spec = commandSpecs.find((candidate) => candidate.name === name);
  assert(spec !== undefined, `the command ${name} has no table of flags`);
  return spec;
}

const isCommand = (word: string | undefined): word is string =>
  word !== undefined && Object.hasOwn(commands, word);

/** Runs one command line (without the program's name); resolves with the exit status, and never rejects. */
export async function runCli(args: readonly string[], io: CommandIo): Promise<number> {
  const debug = args.some((arg) => arg === "--debug" || arg === "-D");
  const { name, rest } = splitCommand(args);
  try {
    return await dispatch(name, rest, io);
  } catch (error) {
    if (!io.isQuiet()) io.stderr.write(formatError(error, { debug, color: hasColors(io.stderr, io.env) }));
    const wasCanceled = error instanceof TsbuildError && error.code === "TSB_CANCELED";
    return (name === "run" || name === "shell") && !wasCanceled ? RUN_FAILED : exitStatus(error);
  }
}

/** The command may follow global flags: `tsbuild --root /x build .`; they go to the command's own parser. */
function splitCommand(args: readonly string[]): { name: string | undefined; rest: readonly string[] } {
  let at = 0;
  while (args[at]?.startsWith("-")) at += args[at] === "--root" ? 2 : 1;
  const word = args[at];
  return isCommand(word)
    ? { name: word, rest: [...args.slice(0, at), ...args.slice(at + 1)] }
    : { name: undefined, rest: args };
}

async function dispatch(name: string | undefined, rest: readonly string[], io: CommandIo): Promise<number> {
  if (name === undefined) return withoutCommand(rest, io);
  const spec = await specOf(name);
  const flags = parseFlags(spec, rest);
  if (flags.isOn("help")) {
    const { commandHelp } = await import("./flags/help.ts");
    io.stdout.write(commandHelp(spec));
    return 0;
  }
  const command = await commands[name]!();
  return command(flags, io);
}

async function withoutCommand(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.includes("--version") || args.includes("-v")) return version(undefined, io);
  const word = args.find((arg) => !arg.startsWith("-"));
  if (args.includes("--help") || args.includes("-h") || args.length === 0) {
    const { programHelp } = await import("./flags/help.ts");
    io.stdout.write(programHelp());
    return 0;
  }
  throw unknownCommand(word ?? args[0]!);
}

function unknownCommand(word: string): TsbuildError {
  const near = nearest(word, Object.keys(commands));
  const what = word.startsWith("-") ? "flag" : "command";
  return new TsbuildError("TSB_USAGE", `unknown ${what} ${JSON.stringify(word)}`, {
    hint: near === undefined ? "tsbuild --help" : `did you mean tsbuild ${near}?`,
  });
}

async function version(_flags: unknown, io: CommandIo): Promise<number> {
  io.stdout.write(`${versionText()}\n`);
  return 0;
}

async function help(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [word] = flags.operands;
  if (word !== undefined && !isCommand(word)) throw unknownCommand(word);
  const { commandHelp, programHelp } = await import("./flags/help.ts");
  io.stdout.write(word === undefined ? programHelp() : commandHelp(await specOf(word)));
  return 0;
}
