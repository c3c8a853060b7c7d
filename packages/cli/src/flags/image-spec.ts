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

const insecure: FlagSpec = {
  name: "insecure-registry",
  value: "HOST[:PORT]",
  repeat: true,
  group: "Registry",
  text: "Do not check this registry's certificate, and speak plain HTTP where it has no TLS",
};

export const pullSpec: CommandSpec = {
  name: "pull",
  usage: "[flags] NAME[:TAG|@DIGEST]…",
  summary: "Fetch images from their registries into the local store",
  description: ["Prints NAME@DIGEST of each, for this machine's platform."],
  flags: [insecure],
  examples: [{ command: "tsbuild pull debian:bookworm", text: "" }],
};

export const pushSpec: CommandSpec = {
  name: "push",
  usage: "[flags] NAME[:TAG]…",
  summary: "Send images of the local store to the registries of their names",
  description: ["Prints NAME@DIGEST of each. What was pulled arrives as it came, byte for byte."],
  flags: [insecure],
  examples: [{ command: "tsbuild push registry.example.com/team/app:1.0", text: "" }],
};

export const saveSpec: CommandSpec = {
  name: "save",
  usage: "[flags] IMAGE…",
  summary: "Write images of the local store into one archive for docker load, podman load and skopeo",
  description: [IMAGE, "An image that is told by its ID is saved without a name."],
  flags: [
    {
      name: "output",
      short: "o",
      value: "FILE",
      group: "Output",
      text: "Instead of standard output, which - is too",
    },
  ],
  examples: [
    { command: "tsbuild save -o images.tar app:1.0 tools", text: "" },
    { command: "tsbuild save app | docker load", text: "" },
  ],
};
