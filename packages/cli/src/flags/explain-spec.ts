import type { CommandSpec } from "./spec.ts";

export const explainSpec: CommandSpec = {
  name: "explain",
  usage: "[flags] [BUILD] [STEP]",
  summary: "Why the steps of a build ran again, down to what was changed",
  description: [
    "BUILD is an ID, a beginning of one, or ^N: the Nth before the newest (default: ^0, the newest).",
    "STEP is a number or a part of a name that no other step has; without one, every step that ran is explained.",
    "Values of variables that by their name hold a secret are shown as digests.",
  ],
  flags: [{ name: "format", value: "FORMAT", group: "Output", text: "text or json (default: text)" }],
  examples: [
    { command: "tsbuild explain", text: "" },
    { command: "tsbuild explain 'RUN make'", text: "A step of the newest build" },
    { command: "tsbuild explain ^1 4 --format json", text: "The fourth step of the build before it" },
  ],
};
