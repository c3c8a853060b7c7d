import { type Json, type JsonObject, lines, prune } from "./dump.ts";
import type {
  AddInstruction,
  Command,
  CommandLine,
  CopyInstruction,
  DockerfileProgram,
  Healthcheck,
  KeyValue,
  RunInstruction,
  Stage,
} from "./instruction.ts";

/** Stages and commands as `tsbuild debug dump-ast` prints them: plain data, empty values left out. */
export function dumpProgram(program: DockerfileProgram): JsonObject {
  return prune({ metaArgs: program.metaArgs.map(dumpCommand), stages: program.stages.map(dumpStage) });
}

function dumpStage({ from, commands }: Stage): JsonObject {
  const stage = prune({
    base: from.base,
    name: from.stageName ?? null,
    platform: from.platform ?? null,
    from: from.name,
    lines: lines(from.range),
    doc: from.doc ?? null,
    comments: [...from.comments],
  });
  return { ...stage, commands: commands.map(dumpCommand) };
}

function dumpCommand(command: Command): JsonObject {
  const common = prune({ name: command.name, lines: lines(command.range), comments: [...command.comments] });
  return { ...common, ...dumpFields(command) };
}

function dumpFields(command: Command): JsonObject {
  switch (command.kind) {
    case "run":
      return { ...dumpCommandLine(command.command), ...dumpRunFlags(command) };
    case "cmd":
    case "entrypoint":
      return dumpCommandLine(command.command);
    case "copy":
    case "add":
      return dumpCopy(command);
    case "label":
      return { labels: command.labels.map(dumpKeyValue) };
    case "env":
      return { env: command.env.map(dumpKeyValue) };
    case "arg":
      return { args: command.args.map((arg) => ({ ...arg })) };
    case "healthcheck":
      return { health: dumpHealth(command.health) };
    default:
      return dumpSetting(command);
  }
}

type Setting = Exclude<
  Command,
  { readonly kind: "run" | "cmd" | "entrypoint" | "copy" | "add" | "label" | "env" | "arg" | "healthcheck" }
>;

function dumpSetting(command: Setting): JsonObject {
  switch (command.kind) {
    case "maintainer":
      return { maintainer: command.maintainer };
    case "expose":
      return { ports: [...command.ports] };
    case "volume":
      return { volumes: [...command.volumes] };
    case "user":
      return { user: command.user };
    case "workdir":
      return { path: command.path };
    case "onbuild":
      return { expression: command.expression };
    case "stopsignal":
      return { signal: command.signal };
    case "shell":
      return { shell: [...command.shell] };
  }
}

function dumpCommandLine({ args, shellForm, files }: CommandLine): JsonObject {
  return {
    cmd: args === null ? null : [...args],
    shell: shellForm,
    ...(files.length === 0 ? {} : { files: files.map((file) => ({ ...file })) }),
  };
}

function dumpRunFlags(run: RunInstruction): JsonObject {
  return prune({
    flagsUsed: [...run.flagsUsed],
    network: run.network === "default" ? null : run.network,
    security: run.security === "sandbox" ? null : run.security,
    devices: run.devices.map((device) => ({ ...device })),
  });
}

function dumpCopy(copy: CopyInstruction | AddInstruction): JsonObject {
  const flags =
    copy.kind === "copy"
      ? { from: text(copy.from), parents: copy.parents || null }
      : { checksum: text(copy.checksum), keepGitDir: copy.keepGitDir ?? null, unpack: copy.unpack ?? null };
  const fields = prune({
    dest: copy.dest,
    contents: copy.contents.map((content) => ({ ...content })),
    chown: text(copy.chown),
    chmod: text(copy.chmod),
    link: copy.link || null,
    exclude: [...copy.exclude],
    ...flags,
  });
  return { ...fields, src: copy.sources.length === 0 ? null : [...copy.sources] };
}

function text(value: string): Json {
  return value === "" ? null : value;
}

function dumpKeyValue({ key, value, legacy }: KeyValue): JsonObject {
  return prune({ key, value, noDelim: legacy || null });
}

function dumpHealth(health: Healthcheck): JsonObject {
  return prune({
    Test: [...health.test],
    Interval: health.intervalNs || null,
    Timeout: health.timeoutNs || null,
    StartPeriod: health.startPeriodNs || null,
    StartInterval: health.startIntervalNs || null,
    Retries: health.retries || null,
  });
}
