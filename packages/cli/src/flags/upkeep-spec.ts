import type { CommandSpec, FlagSpec } from "./spec.ts";

const filter: FlagSpec = {
  name: "filter",
  value: "KEY=VALUE",
  repeat: true,
  group: "Selection",
  text: "id, parent, type, description (a part of it), inuse, shared, private, mutable, immutable, until (e.g. until=24h: not used for so long); KEY!=VALUE for all others. Several must all hold",
};

const format: FlagSpec = {
  name: "format",
  value: "table|json",
  group: "Output",
  text: "A table, or JSON (default: table)",
};

export const duSpec: CommandSpec = {
  name: "du",
  usage: "[flags]",
  summary: "Show what takes room in the state folder, and why it is kept",
  description: [
    "Sizes are what is really on disk: a file with several names counts once, and a layer that several results",
    "have counts with the oldest of them.",
  ],
  flags: [
    { name: "verbose", group: "Output", text: "Every field of every entry, and all that keeps it" },
    {
      name: "by",
      value: "image|project|step|mount",
      group: "Output",
      text: "Sums instead of entries: per image, per project that was built, per instruction, or per cache mount",
    },
    format,
    filter,
  ],
  examples: [
    { command: "tsbuild du", text: "" },
    { command: "tsbuild du --by project", text: "What each project's last builds need" },
    { command: "tsbuild du --filter type=exec.cachemount --verbose", text: "" },
  ],
};

export const pruneSpec: CommandSpec = {
  name: "prune",
  usage: "[flags]",
  summary: "Remove what is not needed any more from the state folder",
  description: [
    "What an image or a running build has stays, what the last three builds of each project need, and what its",
    "last five failed steps left; with --all only images and running builds keep things. With limits no more goes",
    "than it takes to reach them: first what was not used for the most days, then what frees most per second of",
    "building it again. Sizes are 50GB, 512MiB, a share of the disk as 20%, or the lesser of both as 20%,50GB. Safe",
    "while builds run.",
    "",
    "Builds do the same by themselves when the state folder passes a fifth of the disk or 50 GB: docs/disk-use.md",
    "tells of TSBUILD_GC_MAX and the others; TSBUILD_GC=off turns it off.",
  ],
  flags: [
    { name: "all", short: "a", group: "Selection", text: "Also what the last builds of projects need" },
    filter,
    {
      name: "max-used",
      value: "SIZE",
      group: "Limits",
      text: "Ceiling: remove until no more than this is used",
    },
    { name: "min-free", value: "SIZE", group: "Limits", text: "Remove until the disk has this much free" },
    {
      name: "reserved",
      value: "SIZE",
      group: "Limits",
      text: "Floor: the other limits remove nothing below it; alone it is a ceiling",
    },
    { name: "keep-storage", value: "SIZE", group: "Limits", text: "Docker's name for --max-used" },
    { name: "max-used-space", value: "SIZE", group: "Limits", text: "buildx's name for --max-used" },
    { name: "min-free-space", value: "SIZE", group: "Limits", text: "buildx's name for --min-free" },
    { name: "reserved-space", value: "SIZE", group: "Limits", text: "buildx's name for --reserved" },
    { name: "dry-run", group: "Output", text: "Only tell what would go" },
    { name: "force", short: "f", group: "Output", text: "Do not ask on a terminal" },
    { name: "verbose", group: "Output", text: "Tell of each entry why it went" },
    format,
  ],
  examples: [
    { command: "tsbuild prune", text: "" },
    { command: "tsbuild prune --max-used 20GB", text: "The least worth keeping, down to 20 GB" },
    { command: "tsbuild prune --all --filter until=24h -f", text: "In a nightly job" },
    { command: "tsbuild prune --dry-run --verbose", text: "What would go, and why" },
  ],
};

export const fsckSpec: CommandSpec = {
  name: "fsck",
  usage: "[flags]",
  summary: "Check the state folder for damage",
  description: [
    "Ends with 1 when something is damaged and was not repaired. Best run while nobody builds: what a build is just",
    "making may look like a problem.",
  ],
  flags: [
    { name: "deep", group: "Check", text: "Read every blob and compare it with its digest" },
    {
      name: "repair",
      group: "Check",
      text: "Remove what is damaged with all that needs it: builds make it anew",
    },
    { name: "format", value: "text|json", group: "Output", text: "Lines, or JSON (default: text)" },
  ],
  examples: [
    { command: "tsbuild fsck", text: "" },
    { command: "tsbuild fsck --deep --repair", text: "After a disk has failed" },
  ],
};

export const cacheSpec: CommandSpec = {
  name: "cache",
  usage: "mounts ls | mounts export ID [FILE] | mounts import ID [FILE] | mounts rm ID…",
  summary: "List, carry and remove the cache mounts of RUN --mount=type=cache",
  description: [
    "ID is the mount's id=, or else its target. FILE is a tar archive (default or -: standard output or input);",
    "import takes compressed ones too, and replaces what the mount has, wholly or not at all. Steps that want the",
    "mount wait for an export; when one uses it already, the export says so.",
  ],
  flags: [{ ...format, text: "ls: a table, or one JSON object a line (default: table)" }],
  examples: [
    { command: "tsbuild cache mounts ls", text: "" },
    {
      command: "tsbuild cache mounts export go-build | zstd > go-build.tar.zst",
      text: "To carry to another machine",
    },
    { command: "tsbuild cache mounts import go-build go-build.tar.zst", text: "There" },
  ],
};
