/** Shells in failed steps: at once (`build --on-fail=shell`), and later from the records of their builds (`shell`). */
import { TsbuildError } from "@tsbuild/base";
import type { OpsEnvironment } from "@tsbuild/ops";
import type { KeptStep } from "@tsbuild/ops/kept-step";
import type { FailedStep, ShellRequest } from "./api.ts";
import { releaseStep } from "./first-failure.ts";
import { readGrants } from "./grants.ts";
import { failedSteps, type RememberedStep, recordedStep } from "./kept-record.ts";
import { restoreStep } from "./restore-step.ts";
import { sendingNumbers } from "./send-signal.ts";
import type { Session } from "./session.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Opens a shell in a step on the caller's terminal; resolves with its exit code. Throws TSB_USAGE when there is none. */
async function openShell(
  env: OpsEnvironment,
  step: KeptStep,
  options: { readonly request: ShellRequest; readonly signal: AbortSignal },
): Promise<number> {
  const { openTools, runInStep, shellsOf, stateOf, TOOLS_FOLDER } = await import("@tsbuild/ops/kept-step");
  const state = stateOf(step, options.request.before === true ? "before" : "after");
  if (state === undefined) {
    throw new TsbuildError("TSB_USAGE", "the step started from nothing: there is no state before it");
  }
  const { shell: named, debugTools } = options.request;
  const tools = debugTools === undefined ? undefined : openTools(env, debugTools);
  try {
    const found = named ?? (await shellsOf(env, state))[0];
    const shell = found ?? (tools === undefined ? undefined : `${TOOLS_FOLDER}/sh`);
    if (shell === undefined) throw noShell();
    const onStart = sendingNumbers(options.request.onStart);
    return await runInStep(env, step, { state, args: [shell], signal: options.signal, onStart, tools });
  } finally {
    tools?.close();
  }
}

function noShell(): TsbuildError {
  return new TsbuildError("TSB_USAGE", "the image of the step has no shell", {
    hint: "--debug-tools busybox brings one along; --shell PATH names a program of the image that can be one",
  });
}

/** What is told about a failed step while its build still holds everything it was given. */
export function failedStep(
  env: OpsEnvironment,
  step: KeptStep,
  details: { readonly error: TsbuildError; readonly signal: AbortSignal },
): FailedStep {
  return {
    error: details.error,
    command: step.op.kind.meta.args,
    workdir: step.op.kind.meta.cwd,
    shell: (request) => openShell(env, step, { request, signal: details.signal }),
  };
}

function nothingKept(): TsbuildError {
  return new TsbuildError("TSB_USAGE", "no failed step is remembered", {
    hint: "tsbuild build --on-fail=shell . opens a shell as soon as a step fails",
  });
}

/** A shell in a step of an earlier build. Throws TSB_USAGE when there is none, or its files were pruned. */
export async function shellInRemembered(session: Session, request: ShellRequest, env: Env): Promise<number> {
  const signal = request.signal ?? new AbortController().signal;
  const { secrets, ssh } = request;
  const grants = readGrants({ buildArgs: {}, secrets, ssh }, env);
  const found = await findStep(session, request);
  if (found.after === undefined && request.before !== true) throw notKeptAfter(found);
  const { step, notMounted } = restoreStep(session.store, found, grants);
  try {
    const { args: command, cwd: workdir } = step.op.kind.meta;
    request.onStep?.({ name: found.name, command, workdir, notMounted });
    const images = await session.images({ pull: false, signal });
    const env = session.environment({ images, contexts: new Map(), grants });
    return await openShell(env, step, { request, signal });
  } finally {
    releaseStep(step);
  }
}

/** Without a build: the steps that failed last, then those of the newest build. */
async function findStep(session: Session, { build, step }: ShellRequest): Promise<RememberedStep> {
  const { buildHistory } = await import("./history/read.ts");
  const history = buildHistory(session.store);
  if (build !== undefined) return recordedStep(history, { build, step });
  const failed = failedSteps(history);
  const known = step === undefined ? failed[0] : failed.find((one) => matches(one, step));
  if (known !== undefined) return known;
  if (step === undefined || history.list().length === 0) throw nothingKept();
  return recordedStep(history, { build: "^0", step });
}

function notKeptAfter({ name }: RememberedStep): TsbuildError {
  return new TsbuildError("TSB_USAGE", `the files that ${name} left are not kept`, {
    hint: "tsbuild shell --before … opens a shell in the state before it",
  });
}

function matches(entry: RememberedStep, word: string): boolean {
  const hex = entry.vertex.replace(/^sha256:/, "");
  return (word.length >= 4 && hex.startsWith(word.replace(/^sha256:/, ""))) || entry.name.includes(word);
}
