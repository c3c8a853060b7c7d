import type { FlagSpec } from "./spec.ts";

/** Flags of `build` that ask a question instead of building. */
export const callFlags: readonly FlagSpec[] = [
  {
    name: "call",
    value: "METHOD",
    group: "Instead of a build",
    text: "check, outline (ARGs, secrets, ssh, caches), targets (stages) or plan (what would run, and why), each also METHOD,format=json; check,ignorestatus=true ends with 0",
  },
  { name: "check", group: "Instead of a build", text: "--call=check" },
  {
    name: "print",
    value: "definition",
    group: "Instead of a build",
    text: "Write the graph to standard output as BuildKit's protobuf",
  },
];
