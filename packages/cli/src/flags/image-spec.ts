import type { CommandSpec, FlagSpec } from "./spec.ts";

const IMAGE = "IMAGE is a name, an ID, the beginning of an ID, or a digest.";

const format: FlagSpec = {
  name: "format",
  value: "json|TEMPLATE",
  group: "Output",
  text: "inspect, history, ls: json, or a template of Go's form: fields ({{.Config.Env}}), range, if, with, $variables, pipes, json, join, index, printf, eq and docker's other functions",
};
const noTrunc: FlagSpec = {
  name: "no-trunc",
  group: "Output",
  text: "history, ls: whole instructions, whole IDs",
};
const quiet: FlagSpec = {
  name: "quiet",
  short: "q",
  group: "Output",
  text: "history, ls: print layers' diff IDs, images' IDs only",
};
const force: FlagSpec = {
  name: "force",
  short: "f",
  group: "Removal",
  text: "rm: all names of an image that is told by its ID",
};
const digests: FlagSpec = {
  name: "digests",
  group: "Output",
  text: "A column of the digests that registries have images under",
};
const all: FlagSpec = {
  name: "all",
  short: "a",
  group: "Selection",
  text: "Accepted for habit's sake: results of steps are no images here (tsbuild du shows them)",
};
const filter: FlagSpec = {
  name: "filter",
  short: "f",
  value: "KEY=VALUE",
  repeat: true,
  group: "Selection",
  text: "reference=PATTERN, dangling=true, label=KEY[=VALUE], label!=KEY[=VALUE], before=IMAGE, since=IMAGE, until=24h",
};
const platform: FlagSpec = {
  name: "platform",
  value: "OS/ARCH[/VARIANT]",
  group: "Selection",
  text: "Of an image for several platforms (default: this machine's)",
};
const output: FlagSpec = {
  name: "output",
  short: "o",
  value: "FILE",
  group: "Output",
  text: "Instead of standard output, which - is too",
};

export const imagesSpec: CommandSpec = {
  name: "images",
  usage: "[flags] [NAME[:TAG]]",
  summary: "List the images of the local store",
  description: ["NAME[:TAG] is the images of that name, or a pattern: 'team/*', '*:1.*'."],
  flags: [
    all,
    filter,
    { ...quiet, text: "Print image IDs only" },
    { ...noTrunc, text: "Whole IDs" },
    digests,
    {
      name: "format",
      value: "table|json|TEMPLATE",
      group: "Output",
      text: "A table, one JSON object a line, or a template ('table …' with titles): .Repository .Tag .Digest .ID .CreatedSince .CreatedAt .Size .SizeBytes (default: table)",
    },
  ],
  examples: [
    { command: "tsbuild images", text: "" },
    { command: "tsbuild images --format '{{.Repository}}:{{.Tag}} {{.Size}}' 'team/*'", text: "" },
    { command: "tsbuild images -q --filter dangling=true", text: "Those without a name" },
  ],
};

const layers: FlagSpec = {
  name: "layers",
  group: "Contents",
  text: "inspect: Size of each layer and the instruction that made it, largest files, bytes of files that a later layer deleted or replaced, duplicates; --format json for programs",
};
const diff: FlagSpec = {
  name: "diff",
  value: "OTHER",
  group: "Contents",
  text: "inspect: What IMAGE has otherwise than the image OTHER: paths with their sizes, and config; --format json for programs",
};

export const inspectSpec: CommandSpec = {
  name: "inspect",
  usage: "[flags] IMAGE…",
  summary: "Tell all about images of the local store, as docker inspect does",
  description: [IMAGE],
  flags: [
    { ...format, short: "f", text: format.text.replace("inspect, history, ls: ", "") },
    ...[layers, diff].map((flag) => ({ ...flag, text: flag.text.replace("inspect: ", "") })),
    {
      name: "type",
      value: "image",
      group: "Output",
      text: "Accepted for habit's sake: there are images only",
    },
  ],
  examples: [
    { command: "tsbuild inspect app", text: "" },
    { command: "tsbuild inspect --format '{{json .Config.Env}}' app", text: "One field of it" },
    { command: "tsbuild inspect --format '{{join .RootFS.Layers \"\\n\"}}' app", text: "A layer a line" },
    { command: "tsbuild inspect --layers app", text: "What makes it large" },
    { command: "tsbuild inspect --diff app:1 app:2", text: "What is new in app:2" },
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
  flags: [
    {
      name: "no-prune",
      group: "Removal",
      text: "Accepted for habit's sake: layers stay until tsbuild prune anyway",
    },
    { ...force, text: "All names of an image that is told by its ID" },
  ],
  examples: [{ command: "tsbuild rmi app:1.0", text: "" }],
};

export const imageSpec: CommandSpec = {
  name: "image",
  usage: "[flags] ls [NAME] | inspect|history|sbom IMAGE | tag IMAGE NAME… | rm IMAGE… | prune",
  summary: "Images of the local store: what is in them, how they were made, their names",
  description: [
    IMAGE,
    "ls, inspect, tag and rm are tsbuild images, inspect, tag and rmi. history shows the instructions that made",
    "an image, with the size of the layer of each. sbom prints what is installed in an image, by the metadata of",
    "package managers in it, as a document in SPDX 2.3. prune takes away the images that have no name, with --all",
    "those that have one, too; of either what --filter lets through.",
  ],
  flags: [
    format,
    layers,
    diff,
    quiet,
    noTrunc,
    { ...digests, text: "ls: a column of the digests that registries have images under" },
    {
      name: "filter",
      value: "KEY=VALUE",
      repeat: true,
      group: "Selection",
      text: `ls, prune: ${filter.text}`,
    },
    { ...all, text: "prune: Also images that have a name" },
    { ...force, text: `${force.text}; prune: Do not ask on a terminal` },
  ],
  examples: [
    { command: "tsbuild image history app", text: "" },
    { command: "tsbuild image sbom app > app.spdx.json", text: "" },
    { command: "tsbuild image sbom --format table app", text: "For people" },
    { command: "tsbuild image prune --all --filter until=240h", text: "All that are older than ten days" },
  ],
};

const habitQuiet = "Accepted for habit's sake: nothing else is printed";

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
  description: [
    "Prints NAME@DIGEST of each. Of several platforms, and of all, the name stands for an index from then on: FROM",
    "takes what it needs of it, push and save take all of it.",
  ],
  flags: [
    {
      ...platform,
      repeat: true,
      text: "Of an image for several platforms; several separated by commas (default: this machine's)",
    },
    { name: "all-platforms", group: "Selection", text: "All that the name stands for, attestations as well" },
    { ...quiet, text: habitQuiet },
    insecure,
  ],
  examples: [
    { command: "tsbuild pull debian:bookworm", text: "" },
    { command: "tsbuild pull --platform linux/arm64 debian:bookworm", text: "" },
    { command: "tsbuild pull --all-platforms debian:bookworm", text: "To push or save all of it" },
  ],
};

export const pushSpec: CommandSpec = {
  name: "push",
  usage: "[flags] NAME[:TAG]…",
  summary: "Send images of the local store to the registries of their names",
  description: ["Prints NAME@DIGEST of each. What was pulled arrives as it came, byte for byte."],
  flags: [
    { ...all, name: "all-tags", text: "All names that images have in the repository NAME" },
    { ...quiet, text: habitQuiet },
    insecure,
  ],
  examples: [{ command: "tsbuild push registry.example.com/team/app:1.0", text: "" }],
};

export const saveSpec: CommandSpec = {
  name: "save",
  usage: "[flags] IMAGE…",
  summary: "Write images of the local store into one archive for docker load, podman load and skopeo",
  description: [
    IMAGE,
    "An image that is told by its ID is saved without a name. A name that stands for an index is saved with all",
    "platforms; docker load takes the image for its machine.",
  ],
  flags: [output, { ...platform, text: "Of an image for several platforms, that one alone (default: all)" }],
  examples: [
    { command: "tsbuild save -o images.tar app:1.0 tools", text: "" },
    { command: "tsbuild save app | docker load", text: "" },
  ],
};

export const loadSpec: CommandSpec = {
  name: "load",
  usage: "[flags] [FILE]",
  summary: "Read images from an archive into the local store",
  description: [
    "FILE (default or -: standard input) is what docker save, podman save, skopeo or tsbuild wrote: docker's form",
    "or an OCI layout, compressed or not, with any number of images. Digests are checked. Images of an OCI layout",
    "keep their manifests byte for byte.",
  ],
  flags: [
    { name: "input", short: "i", value: "FILE", group: "Input", text: "As the operand FILE" },
    { ...platform, text: "Of an image for several platforms, that one alone (default: all)" },
    {
      name: "name",
      value: "NAME[:TAG]",
      group: "Input",
      text: "Name for an archive's one image, instead of its own",
    },
    { ...quiet, text: habitQuiet },
  ],
  examples: [
    { command: "tsbuild load -i images.tar", text: "" },
    { command: "docker save app | tsbuild load", text: "" },
  ],
};

export const exportSpec: CommandSpec = {
  name: "export",
  usage: "[flags] IMAGE",
  summary: "Write the root filesystem of an image as a tar archive",
  description: [IMAGE, "Whiteouts are applied; owners, times, links and attributes are as in the image."],
  flags: [output],
  examples: [
    { command: "tsbuild export -o rootfs.tar app", text: "" },
    { command: "tsbuild export app | tar -t", text: "What is in it" },
  ],
};
