import { chompHeredoc, type RunInstruction } from "@tsbuild/dockerfile";
import { describePragma, mkfile, type RunMount, scratch } from "@tsbuild/llb";
import { mistake } from "../failure.ts";
import { nextStepName } from "../progress.ts";
import type { StageBuild } from "../stage-build.ts";
import { expandMounts, type RunMounts, runMounts } from "./run-mounts.ts";
import type { Step } from "./step.ts";
import { commandText } from "./step-text.ts";

/** Where a script with a shebang is mounted (D029). */
const SCRIPT_FOLDER = "/dev/pipes/";

/** The whole command is one heredoc: `<<EOF`, `3<<-"EOF"`. */
const ONLY_HEREDOC = /^\d*<<-?(?:[^\s<"']|"[^"<]*"|'[^'<]*')+$/;

interface Script {
  readonly args: readonly string[];
  /** Added to the progress text: the first line of the script. */
  readonly summary: string;
  readonly mounts: readonly RunMount[];
}

function firstLine(document: string): string {
  const [first = "", ...rest] = document.trim().replaceAll("\r\n", "\n").split("\n");
  return rest.length > 0 ? `${first}...` : first;
}

function scriptMount(name: string, data: string): RunMount {
  const state = scratch().file(mkfile(name, data, { mode: 0o755 }), {
    name: "[internal] preparing inline document",
  });
  return { dest: SCRIPT_FOLDER, type: "bind", from: state, selector: "/", readonly: true };
}

/** A single heredoc: run by its own shebang, or as the text of the shell (D029). */
function singleScript(step: Step<RunInstruction>): Script {
  const file = step.command.command.files[0]!;
  const data = file.chomp ? chompHeredoc(file.data) : file.data;
  const summary = ` (${firstLine(file.data)})`;
  if (step.build.image.os === "windows" || !data.startsWith("#!"))
    return { args: [data], summary, mounts: [] };
  return { args: [`${SCRIPT_FOLDER}${file.name}`], summary, mounts: [scriptMount(file.name, data)] };
}

/** What is to be run, before the shell is put in front. */
function scriptOf(step: Step<RunInstruction>): Script {
  const { args, files, shellForm } = step.command.command;
  const written = args ?? [];
  if (files.length === 0) return { args: written, summary: "", mounts: [] };
  const [line] = written;
  if (line === undefined || written.length !== 1 || !shellForm)
    throw mistake("RUN has a heredoc but no command for it");
  if (ONLY_HEREDOC.test(line)) return singleScript(step);
  // The shell reads heredocs itself here, so it gets the text as it was written (D030).
  const bodies = files.map((file) => `\n${file.data}${file.name}`);
  return { args: [line + bodies.join("")], summary: "", mounts: [] };
}

/** `|2 a=1 b=2 /bin/sh -c make`: the ARGs that the command could see come first (D050). */
function historyText(args: readonly string[], build: StageBuild): string {
  const shown = Array.from(build.argValues, ([key, value]) => `${key}=${build.env.get(key) ?? value ?? ""}`);
  const counted = shown.length > 0 ? [`|${shown.length}`, ...shown] : [];
  return [...counted, ...args].join(" ");
}

/** Secrets show as stars where the text names their variables. */
function shownName(step: Step<RunInstruction>, summary: string, mounts: RunMounts): string {
  const { build, context, command } = step;
  const env = mounts.secretEnv.length > 0 ? build.env.clone() : build.env;
  for (const { name } of mounts.secretEnv) env.set(name, "****");
  const text = commandText(step, `${command.source}${summary}`, env);
  const platform = context.multiPlatform ? build.statePlatform : undefined;
  return nextStepName(build.stage, text, { platform, env: build.env });
}

/** The agent's socket is announced to the command unless it has been told of another one (D081). */
function environment({ env }: StageBuild, mounts: RunMounts): readonly string[] {
  const socket = mounts.ssh[0]?.dest;
  if (socket === undefined || env.has("SSH_AUTH_SOCK")) return env.toArray();
  return [...env.toArray(), `SSH_AUTH_SOCK=${socket}`];
}

/** The shared memory size is that of a mount over the default one. */
function sharedMemory(sizeBytes: number | undefined): RunMount[] {
  return sizeBytes ? [{ dest: "/dev/shm", type: "tmpfs", sizeBytes }] : [];
}

/** RUN (D073–D090). */
export function run(step: Step<RunInstruction>): void {
  const { command, build, context, range } = step;
  const { request } = context;
  const expanded = expandMounts(step);
  // A command may look at every file.
  build.stage.paths.add("/");
  const script = scriptOf(step);
  const args = command.command.shellForm ? build.shellCommand(script.args) : script.args;
  const mounts = runMounts(step, expanded);
  context.budget.spend(build.env.sizeBytes);
  const history = `RUN ${historyText(args, build)} # buildkit`;
  build.state = build.state.run({
    args,
    env: environment(build, mounts),
    cwd: build.workdir,
    user: build.user,
    hostname: context.hostname,
    mounts: [...script.mounts, ...mounts.mounts, ...sharedMemory(request.shmSizeBytes)],
    secrets: mounts.secrets,
    ssh: mounts.ssh,
    secretEnv: mounts.secretEnv,
    devices: command.devices.map(({ name, required }) => ({ name, optional: !required })),
    network: command.network === "default" ? request.network : command.network,
    security: command.security,
    proxyEnv: context.proxyEnv,
    extraHosts: request.addHosts,
    ulimits: request.ulimits,
    cgroupParent: request.cgroupParent,
    platform: build.statePlatform ?? context.platforms.target,
    annotations: {
      name: shownName(step, script.summary, mounts),
      description: { "com.docker.dockerfile.v1.command": command.source, ...describePragma(step.pragma) },
      ignoreCache: build.stage.ignoreCache || step.pragma.noCache,
      lines: [range],
    },
  });
  build.addHistory(history, true);
}
