import type { CommandSpec } from "./spec.ts";

export const doctorSpec: CommandSpec = {
  name: "doctor",
  usage: "[flags]",
  summary: "Say what this machine lets builds do, and what to type for more",
  description: [
    "Tries what builds need of the kernel and the system: user namespaces, subordinate ids, overlay mounts,",
    "control groups, system call filters, private networks. Ends with 1 when steps cannot run.",
  ],
  flags: [
    {
      name: "format",
      value: "text|json",
      group: "Output",
      text: "Text, or a JSON list for programs (default: text)",
    },
  ],
  examples: [{ command: "tsbuild doctor", text: "As the user who builds" }],
};
