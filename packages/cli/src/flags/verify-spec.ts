import {
  inputFlags,
  progressFlags,
  registryFlags,
  resultFlags,
  stepFlags,
  stepLimits,
} from "./build-spec.ts";
import { type CommandSpec, machineFlags } from "./spec.ts";

export const verifySpec: CommandSpec = {
  name: "verify",
  usage: "[flags] PATH | URL | -",
  summary: "Build twice and show the first difference",
  description: [
    "The second build runs every step anew, one at a time, with empty cache mounts. Both are --reproducible:",
    "without SOURCE_DATE_EPOCH they are dated as the context's commit. Says which layer, path and attribute",
    "differ, with both values, and ends with 1; with 0 when the images are the same, byte for byte. Neither gets",
    "a name.",
  ],
  flags: [
    {
      name: "against",
      value: "IMAGE|FILE",
      group: "Result",
      text: "Build once, and compare with an image of the local store or an archive of one; dated as that image",
    },
    {
      name: "format",
      value: "text|json",
      group: "Result",
      text: "Lines, or one JSON object (default: text)",
    },
    ...inputFlags.filter(({ name }) => name !== "reproducible"),
    ...resultFlags.filter(({ name }) => ["label", "squash", "unset"].includes(name)),
    ...stepFlags,
    ...stepLimits,
    ...registryFlags,
    ...progressFlags.filter(({ name }) => name !== "quiet"),
    ...machineFlags,
  ],
  examples: [
    { command: "tsbuild verify .", text: "" },
    {
      command: "tsbuild verify --against registry.example.com/team/app:1.0 .",
      text: "Is that image what this makes?",
    },
  ],
};
