import type { CommandSpec } from "./spec.ts";

export const contextSpec: CommandSpec = {
  name: "context",
  usage: "ls [flags] [FOLDER]",
  summary: "Show what a build's context has in it, and how large it is",
  description: [
    "What COPY . . would copy of FOLDER (default: .): the ignore file decides as it does in a build. What lies at",
    "the top, largest first, folders with all that is in them. No file is opened, and nothing is sent anywhere: a",
    "build reads its context in place, and only what its steps name.",
  ],
  flags: [
    {
      name: "largest",
      value: "N",
      group: "Output",
      text: "The N largest files instead, wherever they are",
    },
    {
      name: "format",
      value: "table|json",
      group: "Output",
      text: "A table, or JSON with both (default: table)",
    },
    {
      name: "file",
      short: "f",
      value: "PATH",
      group: "Context",
      text: "A Dockerfile whose own PATH.dockerignore goes before that of the folder (default: FOLDER/Dockerfile)",
    },
    { name: "no-ignore", group: "Context", text: "As if there were no ignore file" },
  ],
  examples: [
    { command: "tsbuild context ls", text: "" },
    { command: "tsbuild context ls --largest 10 app", text: "What to name in app/.dockerignore" },
  ],
};
