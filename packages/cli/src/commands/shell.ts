import { TsbuildError } from "@tsbuild/base";
import type { FailedStep } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { parseAgents, parseSecret } from "../flags/step-grants.ts";
import type { CommandIo } from "../io.ts";
import { safeLine } from "../sanitize.ts";
import { engineOptions } from "./engine-options.ts";

/** Both words may be left out; one alone is a build if it looks like the name of one. */
function whichStep(operands: readonly string[]): { build?: string | undefined; step?: string | undefined } {
  const [first, second, ...more] = operands;
  if (more.length > 0) {
    throw new TsbuildError("TSB_USAGE", "shell takes a build and a step", {
      hint: `quote the step: tsbuild shell ${first} ${quoted([second, ...more].join(" "))}`,
    });
  }
  if (second !== undefined) return { build: first, step: second };
  return /^(?:\^\d+|[0-9a-f]{8})$/.test(first ?? "") ? { build: first } : { step: first };
}

/** `tsbuild shell [BUILD] [STEP]`: a shell in a step of an earlier build. */
export async function shell(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const which = whichStep(flags.operands);
  if (flags.isOn("before") && flags.isOn("after")) {
    throw new TsbuildError("TSB_USAGE", "--before and --after exclude each other");
  }
  refuseWithoutTerminal("tsbuild shell", io);
  const engine = await io.openEngine(engineOptions(flags, io));
  try {
    return await engine.shell({
      ...which,
      secrets: Object.fromEntries(flags.all("secret").map((text) => parseSecret(text, io.env))),
      ssh: parseAgents(flags.all("ssh"), io.env),
      before: flags.isOn("before"),
      shell: flags.last("shell"),
      debugTools: flags.last("debug-tools"),
      signal: io.signal,
      onStart: (send) => io.forwardSignals(send),
      onStep: (found) => introduce({ ...found, title: found.name }, io),
    });
  } finally {
    await engine.close();
  }
}

/** A shell that nobody can type into would end at once, or wait for ever. */
export function refuseWithoutTerminal(what: string, io: CommandIo): void {
  if (io.stdin.isTTY === true && io.stdout.isTTY === true) return;
  throw new TsbuildError("TSB_USAGE", `${what} needs a terminal: standard input or output is none`, {
    hint: "tsbuild run -i IMAGE COMMAND runs a command without one",
  });
}

interface Introduction {
  readonly title: string;
  readonly command: readonly string[];
  readonly workdir: string;
  readonly notMounted?: readonly string[];
}

/** What is to be known before the first prompt: what failed, how to run it again, how to leave. */
function introduce(step: Introduction, io: CommandIo): void {
  const lines = [
    `A shell in the step: ${step.title}`,
    `  again:  ${step.command.map(quoted).join(" ")}`,
    `  folder: ${step.workdir === "" ? "/" : step.workdir}`,
    ...(step.notMounted ?? []).map((what) => `  not mounted: ${what}`),
    "  leave:  exit, or Ctrl-D; what is written here is thrown away",
  ];
  io.stderr.write(`${lines.map((line) => safeLine(line)).join("\n")}\n`);
}

/** A word as a shell reads it back. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The shell of `build --on-fail=shell`: the build has been told to have failed, and waits. */
export async function shellAfterFailure(step: FailedStep, flags: ParsedFlags, io: CommandIo): Promise<void> {
  introduce({ ...step, title: step.error.message }, io);
  await step.shell({
    shell: flags.last("shell"),
    debugTools: flags.last("debug-tools"),
    onStart: (send) => io.forwardSignals(send),
  });
}
