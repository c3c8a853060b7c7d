import type { CommandSpec } from "./spec.ts";

const timestamps = { name: "timestamps", group: "Output", text: "logs: begin every line with its time" };

export const logsSpec: CommandSpec = {
  name: "logs",
  usage: "[flags] [BUILD] [STEP]",
  summary: "What steps of a past build printed, in full (tsbuild history logs)",
  description: [
    "BUILD is an ID, a beginning of one, or ^N: the Nth before the newest (default: ^0, the newest).",
    "STEP is a number or a part of a name that no other step has (default: every step that printed something).",
  ],
  flags: [{ ...timestamps, text: "Begin every line with its time" }],
  examples: [
    { command: "tsbuild logs", text: "Of the newest build" },
    { command: "tsbuild logs 'RUN make' > make.log", text: "One step of it, byte for byte" },
    { command: "tsbuild logs ^1 3 --timestamps", text: "Step 3 of the build before" },
  ],
};

export const historySpec: CommandSpec = {
  name: "history",
  usage: "ls | show [BUILD] | logs [BUILD] [STEP] | export [BUILD] | import | rm BUILD… | IMAGE",
  summary: "Past builds: their steps, times, reasons and full output",
  description: [
    "With the name or ID of an image: the instructions that made it (tsbuild image history).",
    "BUILD is an ID, a beginning of one, or ^N: the Nth before the newest (default: ^0, the newest).",
    "STEP is a number or a part of a name that no other step has.",
    "The newest 200 builds are kept, and of their output 200 MiB: TSBUILD_HISTORY_BUILDS, TSBUILD_HISTORY_LOGS.",
    "docs/history.md tells the form of export. import [FILE] takes it in, here or elsewhere (default: from standard",
    "input), and prints its new ID.",
  ],
  flags: [
    { name: "quiet", short: "q", group: "Output", text: "ls: print IDs only" },
    {
      name: "format",
      value: "FORMAT",
      group: "Output",
      text: "ls: table or json, one object a line (default: table); export: json or trace, for chrome://tracing (default: json); IMAGE: as tsbuild image history",
    },
    { name: "no-trunc", group: "Output", text: "IMAGE: whole instructions" },
    timestamps,
    { name: "all", group: "Removal", text: "rm: every build that is not at work" },
    {
      name: "older-than",
      value: "TIME",
      group: "Removal",
      text: "rm: builds that began longer ago, e.g. 36h or 7d",
    },
  ],
  examples: [
    { command: "tsbuild history ls", text: "" },
    { command: "tsbuild history show ^1", text: "The timeline of the build before the last" },
    { command: "tsbuild history logs ^0 'RUN make'", text: "What a step printed, whole" },
    {
      command: "tsbuild history export --format trace > trace.json",
      text: "For chrome://tracing or Perfetto",
    },
    { command: "tsbuild history rm --older-than 30d", text: "" },
  ],
};
