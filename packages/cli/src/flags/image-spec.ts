import type { CommandSpec, FlagSpec } from "./spec.ts";

const IMAGE = "IMAGE is a name, an ID, the beginning of an ID, or a digest.";

const format: FlagSpec = {
  name: "format",
  value: "json|TEMPLATE",
  group: "Output",
  text: "inspect, history: json, or a template of Go's form: fields ({{.Config.Env}}), json, join, index, len, upper, lower, range, if, else, end",
};
const noTrunc: FlagSpec = { name: "no-trunc", group: "Output", text: "history: whole instructions" };
const quiet: FlagSpec = {
  name: "quiet",
  short: "q",
  group: "Output",
  text: "history: print layers' diff IDs only",
};
const force: FlagSpec = {
  name: "force",
  short: "f",
  group: "Removal",
  text: "rm: all names of an image that is told by its ID",
};

export const inspectSpec: CommandSpec = {
  name: "inspect",
  usage: "[flags] IMAGE…",
  summary: "Tell all about images of the local store, as docker inspect does",
  description: [IMAGE],
  flags: [{ ...format, text: format.text.replace("inspect, history: ", "") }],
  examples: [
    { command: "tsbuild inspect app", text: "" },
    { command: "tsbuild inspect --format '{{json .Config.Env}}' app", text: "One field of it" },
    { command: "tsbuild inspect --format '{{join .RootFS.Layers \"\\n\"}}' app", text: "A layer a line" },
  ],
};

export const tagSpec: CommandSpec = {
  name: "tag",
  usage: "IMAGE NAME[:TAG]…",
  summary: "Give an image of the local store other names",
  description: [IMAGE],
  flags: [],
  examples: [{ command: "tsbuild tag app registry.example.com/team/app:1.0", text: "" }],
};

export const rmiSpec: CommandSpec = {
  name: "rmi",
  usage: "[flags] IMAGE…",
  summary: "Take names from images of the local store",
  description: [IMAGE, "An image without a name is gone; tsbuild prune frees its room."],
  flags: [{ ...force, text: "All names of an image that is told by its ID" }],
  examples: [{ command: "tsbuild rmi app:1.0", text: "" }],
};

export const imageSpec: CommandSpec = {
  name: "image",
  usage: "[flags] inspect IMAGE… | history IMAGE | tag IMAGE NAME… | rm IMAGE… | prune",
  summary: "Images of the local store: what is in them, how they were made, their names",
  description: [
    IMAGE,
    "inspect, tag and rm are tsbuild inspect, tag and rmi. history shows the instructions that made an image, with",
    "the size of the layer of each. prune takes away the images that have no name.",
  ],
  flags: [format, quiet, noTrunc, force],
  examples: [
    { command: "tsbuild image history app", text: "" },
    { command: "tsbuild image prune", text: "" },
  ],
};
