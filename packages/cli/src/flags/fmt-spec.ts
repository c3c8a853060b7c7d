import type { CommandSpec } from "./spec.ts";

export const fmtSpec: CommandSpec = {
  name: "fmt",
  usage: "[flags] [FILE…]",
  summary: "Rewrite Dockerfiles in one canonical style",
  description: [
    "Keywords in upper case, one blank between words, further lines indented, one blank line between",
    "stages; comments and heredocs stay. What a file compiles to stays the same. Without FILE: Dockerfile;",
    "- reads standard input and writes standard output.",
  ],
  flags: [
    {
      name: "check",
      group: "Output",
      text: "Change nothing: print the names of files that are not formatted, and end with 1 if there is any",
    },
    { name: "stdout", group: "Output", text: "Print the formatted text, leave the file as it is" },
  ],
  examples: [
    { command: "tsbuild fmt", text: "./Dockerfile" },
    { command: "tsbuild fmt --check **/Dockerfile", text: "For continuous integration" },
  ],
};
