import { buildSpec } from "./build-spec.ts";
import { contextSpec } from "./context-spec.ts";
import { doctorSpec } from "./doctor-spec.ts";
import { explainSpec } from "./explain-spec.ts";
import { fmtSpec } from "./fmt-spec.ts";
import { historySpec, logsSpec } from "./history-spec.ts";
import {
  exportSpec,
  imageSpec,
  imagesSpec,
  inspectSpec,
  loadSpec,
  pullSpec,
  pushSpec,
  rmiSpec,
  saveSpec,
  tagSpec,
} from "./image-spec.ts";
import { imagetoolsSpec } from "./imagetools-spec.ts";
import { checkSpec, debugSpec, graphSpec } from "./inspect-spec.ts";
import { loginSpec, logoutSpec } from "./login-spec.ts";
import { type CommandSpec, machineFlags } from "./spec.ts";
import { cacheSpec, duSpec, fsckSpec, pruneSpec } from "./upkeep-spec.ts";
import { verifySpec } from "./verify-spec.ts";

export const importSpec: CommandSpec = {
  name: "import",
  usage: "[flags] FILE | - [NAME[:TAG]]",
  summary: "Make an image of a root filesystem's tar archive",
  description: [
    "The archive may be compressed. The name may be one that Dockerfiles use in FROM, such as debian:bookworm.",
  ],
  flags: [
    {
      name: "change",
      short: "c",
      value: "INSTRUCTION",
      repeat: true,
      group: "Image",
      text: "Dockerfile instruction applied to the config: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR …",
    },
    { name: "message", short: "m", value: "TEXT", group: "Image", text: "Comment in the image's history" },
    {
      name: "platform",
      value: "OS/ARCH[/VARIANT]",
      group: "Image",
      text: "What the files are for (default: this machine's)",
    },
  ],
  examples: [
    { command: "tsbuild import rootfs.tar.gz debian:bookworm -c 'CMD [\"bash\"]'", text: "" },
    { command: "mmdebstrap bookworm - | tsbuild import - debian:bookworm", text: "From a pipe" },
  ],
};

export const runSpec: CommandSpec = {
  name: "run",
  usage: "[flags] IMAGE [COMMAND] [ARG…]",
  summary: "Run a command of an image on a throw-away layer",
  description: [
    "Ends with the command's own exit code, 128 + N when signal N ended it; with 125 when tsbuild itself failed.",
    "Signals (INT, TERM, HUP, QUIT, USR1, USR2) are passed on to the command. A second INT or TERM within three",
    "seconds kills it, and so do ten seconds after TERM or HUP.",
  ],
  flagsBeforeOperands: true,
  flags: [
    { name: "interactive", short: "i", group: "Process", text: "Pass standard input on to the command" },
    {
      name: "tty",
      short: "t",
      group: "Process",
      text: "Give the command a terminal, joined to this one (implies -i)",
    },
    {
      name: "entrypoint",
      value: "COMMAND",
      group: "Process",
      text: "Instead of the image's ENTRYPOINT",
    },
    {
      name: "env",
      short: "e",
      value: "KEY[=VALUE]",
      repeat: true,
      group: "Process",
      text: "Environment variable; without =VALUE, from this environment",
    },
    {
      name: "user",
      short: "u",
      value: "USER[:GROUP]",
      group: "Process",
      text: "User, by name or number",
    },
    { name: "workdir", short: "w", value: "FOLDER", group: "Process", text: "Working folder" },
    {
      name: "network",
      value: "default|none|host",
      group: "Process",
      text: "A private network, none, or the host's (default: default)",
    },
    { name: "rm", group: "Process", text: "Accepted for habit's sake: the layer is always thrown away" },
    ...machineFlags,
  ],
  examples: [
    { command: "tsbuild run -it debian:bookworm bash", text: "A shell" },
    { command: "tsbuild run -e LANG=C app --version", text: "The image's ENTRYPOINT with an argument" },
  ],
};

export const shellSpec: CommandSpec = {
  name: "shell",
  usage: "[flags] [BUILD] [STEP]",
  summary: "Open a shell in a step of an earlier build",
  description: [
    "BUILD is the ID of a recorded build or ^N, the Nth before the newest; STEP a number, the start of a digest",
    "or words of an instruction (tsbuild history show BUILD lists them). Without BUILD: the steps that failed",
    "last, then the newest build. Without STEP: the one that failed, else the last RUN. A shell has the step's",
    "files, environment, folder, user, network and mounts as long as they are not pruned; mounts of the build",
    "context show what its folder has now, secrets and agents are those given here, and what cannot be mounted",
    "is said. What is written is thrown away, but in cache mounts. Ends with the shell's exit code.",
  ],
  flags: [
    { name: "before", group: "Step", text: "The state before the step" },
    { name: "after", group: "Step", text: "The state that the step left, or failed in (the default)" },
    {
      name: "secret",
      value: "id=ID[,src=FILE|,env=VAR]",
      repeat: true,
      group: "Step",
      text: "For the step's secret mounts, as in build",
    },
    {
      name: "ssh",
      value: "ID[=SOCKET|KEY,KEY…]",
      repeat: true,
      group: "Step",
      text: "For the step's ssh mounts, as in build",
    },
    {
      name: "shell",
      value: "PATH",
      group: "Step",
      text: "Program of the image to start (default: bash, else sh)",
    },
    {
      name: "debug-tools",
      value: "busybox|FOLDER",
      group: "Step",
      text: "For an image without a shell: this machine's static busybox, or a folder with a static sh, at /.tsbuild-tools",
    },
    ...machineFlags,
  ],
  examples: [
    { command: "tsbuild shell", text: "In the last step that failed" },
    { command: "tsbuild shell --before 'RUN make'", text: "Before a step, found by its instruction" },
    { command: "tsbuild shell ^1 4", text: "In the fourth step of the build before the newest" },
  ],
};

export const versionSpec: CommandSpec = {
  name: "version",
  usage: "",
  summary: "Print the version",
  flags: [],
  examples: [],
};

export const helpSpec: CommandSpec = {
  name: "help",
  usage: "[COMMAND]",
  summary: "Print help of a command",
  flags: [],
  examples: [],
};

export const commandSpecs: readonly CommandSpec[] = [
  buildSpec,
  cacheSpec,
  checkSpec,
  doctorSpec,
  contextSpec,
  duSpec,
  fmtSpec,
  fsckSpec,
  graphSpec,
  explainSpec,
  historySpec,
  logsSpec,
  imagesSpec,
  imageSpec,
  inspectSpec,
  tagSpec,
  rmiSpec,
  imagetoolsSpec,
  pullSpec,
  pushSpec,
  saveSpec,
  loadSpec,
  importSpec,
  exportSpec,
  loginSpec,
  logoutSpec,
  pruneSpec,
  verifySpec,
  runSpec,
  shellSpec,
  debugSpec,
  versionSpec,
  helpSpec,
];
