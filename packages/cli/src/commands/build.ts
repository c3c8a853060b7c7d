import type { BuildRequest, BuildResult, Engine } from "@tsbuild/engine";
import { exitStatus } from "../exit-status.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import { formatError } from "../format-error.ts";
import type { CommandIo } from "../io.ts";
import { collectOften } from "../large-graph.ts";
import { type ProgressView, startProgress } from "../progress/driver.ts";
import { hasColors, progressMode } from "../progress/mode.ts";
import { formatBytes, plural } from "../progress/units.ts";
import { buildRequest } from "./build-request.ts";
import { engineOptions } from "./engine-options.ts";

/** `tsbuild build`: progress to standard error; with --quiet the image ID to standard output (C043). */
export async function build(flags: ParsedFlags, io: CommandIo): Promise<number> {
  if (["call", "check", "print"].some((name) => flags.last(name) !== undefined)) {
    const { call, requestedCall } = await import("./call.ts");
    const asked = requestedCall(flags);
    if (asked !== undefined) return call(asked, flags, io);
  }
  const quiet = flags.isOn("quiet");
  const mode = progressMode({ quiet, progress: flags.last("progress") }, io.stderr, io.env);
  const request = await buildRequest(flags, io);
  const engine = await io.openEngine(engineOptions(flags, io));
  try {
    const view = finishedOnce(await startProgress(mode, io));
    const failure = await failureShell(view, flags, io);
    const result = await shown(view, (onEvent) =>
      engine.build({ ...request, onFailedStep: failure?.open }, { signal: io.signal, onEvent }),
    ).catch((error: unknown) => {
      // It was on the screen before the shell: where it was looked into.
      if (failure?.wasShown(error) === true) return exitStatus(error);
      throw error;
    });
    if (typeof result === "number") return result;
    if (mode === "quiet") printId(result, io);
    else printCollected(result, io);
    return 0;
  } finally {
    await engine.close();
  }
}

interface FailureShell {
  readonly open: NonNullable<BuildRequest["onFailedStep"]>;
  /** The error has been printed before a shell. */
  wasShown(error: unknown): boolean;
}

/** `--on-fail=shell` (C034): the view ends, with the failure on the screen, before the shell gets the terminal. */
async function failureShell(
  view: ProgressView,
  flags: ParsedFlags,
  io: CommandIo,
): Promise<FailureShell | undefined> {
  const what = flags.last("on-fail");
  if (what === undefined) return undefined;
  oneOf("--on-fail", what, ["shell"]);
  const { refuseWithoutTerminal, shellAfterFailure } = await import("./shell.ts");
  refuseWithoutTerminal("--on-fail=shell", io);
  let shownError: unknown;
  return {
    wasShown: (error) => error !== undefined && error === shownError,
    open: async (step) => {
      await view.finish({ error: step.error });
      io.stderr.write(formatError(step.error, { color: hasColors(io.stderr, io.env) }));
      shownError = step.error;
      await shellAfterFailure(step, flags, io);
    },
  };
}

/** The view of a failed build is finished before the shell, and again by the build's end. */
function finishedOnce(view: ProgressView): ProgressView {
  let finished: Promise<void> | undefined;
  return {
    onEvent: (event) => view.onEvent(event),
    finish: (outcome) => {
      finished ??= view.finish(outcome);
      return finished;
    },
  };
}

/** Runs a build with its view, which is told the end whatever it is. */
async function shown(
  view: ProgressView,
  run: (onEvent: ProgressView["onEvent"]) => ReturnType<Engine["build"]>,
): Promise<BuildResult> {
  let result: BuildResult;
  try {
    result = await run((event) => {
      if (event.type === "graph") collectOften(event.vertices.length);
      view.onEvent(event);
    });
  } catch (error) {
    await view.finish({ error });
    throw error;
  }
  await view.finish({ result });
  return result;
}

function printId(result: BuildResult, io: CommandIo): void {
  const id = result.imageId ?? result.manifest;
  if (id !== undefined) io.stdout.write(`${id}\n`);
}

/** What collection after the build did (W006). */
function printCollected({ collected }: BuildResult, io: CommandIo): void {
  if (collected === undefined) return;
  const whys = [...new Set(collected.removed.map(({ why }) => why))].join(", ");
  const count = plural(collected.removed.length, "cache entry").replace("entrys", "entries");
  io.stderr.write(
    `gc: removed ${count}, ${formatBytes(collected.removedBytes)} (${whys}); ${formatBytes(collected.usedBytes)} in use\n`,
  );
}
