import { inputFlags } from "./build-spec.ts";
import { type CommandSpec, securityOpt } from "./spec.ts";

const operand = "PATH is a context folder or a Dockerfile (default: the working folder).";

export const checkSpec: CommandSpec = {
  name: "check",
  usage: "[flags] [PATH]",
  summary: "Find mistakes in a Dockerfile and what is worth a warning",
  description: [
    operand,
    "Looks at all stages and runs nothing; base images that cannot be had are left out. docs/rules has a page",
    "of each rule; a line # check=skip=RULE silences one.",
  ],
  flags: [
    ...inputFlags,
    {
      name: "format",
      value: "text|json|sarif|github",
      group: "Output",
      text: "Text with the lines in question, JSON, SARIF 2.1.0, or annotations of GitHub Actions (default: text)",
    },
    {
      name: "fail-on",
      value: "error|warning|info|never",
      group: "Output",
      text: "End with 1 when there is a finding of this severity or a higher one (default: warning)",
    },
    {
      name: "fix",
      group: "Output",
      text: "First repair in the file what is mechanical: casing, ENV and LABEL without =, MAINTAINER, empty lines …",
    },
  ],
  examples: [
    { command: "tsbuild check", text: "./Dockerfile" },
    { command: "tsbuild check --fix", text: "Repair it" },
    { command: "tsbuild check --format sarif > check.sarif", text: "For code scanning" },
  ],
};

export const graphSpec: CommandSpec = {
  name: "graph",
  usage: "[flags] [PATH]",
  summary: "Show the operations that a Dockerfile compiles to",
  description: [operand, "Asks registries for the configs of base images, and runs nothing."],
  flags: [
    ...inputFlags,
    {
      name: "format",
      value: "tree|mermaid|dot|json",
      group: "Output",
      text: "A tree, a Mermaid or Graphviz diagram, or every field as JSON (default: tree)",
    },
  ],
  examples: [
    { command: "tsbuild graph", text: "" },
    { command: "tsbuild graph --target test --format dot | dot -Tsvg > graph.svg", text: "A picture" },
  ],
};

export const debugSpec: CommandSpec = {
  name: "debug",
  usage: "dump-ast|dump-llb|plan|apparmor [flags] FILE",
  summary: "Print what the parser, the compiler or the sandbox makes of a Dockerfile",
  description: [
    "The dumps are JSON. dump-llb compiles for linux/amd64 with base images of a file instead of a registry, so",
    "that its output is the same on every machine.",
    "plan takes the FILE or PATH and the input flags of a build, runs nothing, and prints what RUN steps would be",
    "given on this machine: the specification, the OCI runtime spec, the plan of system calls, or the filter.",
    "apparmor takes no FILE and prints the profile tsbuild-default, which steps enter where it is loaded.",
  ],
  flags: [
    ...inputFlags,
    {
      name: "step",
      value: "N|TEXT",
      group: "Output",
      text: "plan: the RUN step number N, or those with this text (default: all)",
    },
    {
      name: "format",
      value: "plan|spec|oci|json|seccomp",
      group: "Output",
      text: "plan: its lines as text or JSON, the specification, the OCI runtime spec, or the disassembled filter",
    },
    { name: "json", group: "Output", text: "Print JSON; the only form there is" },
    securityOpt,
    {
      name: "opt",
      value: "KEY=VALUE",
      repeat: true,
      group: "Input",
      text: "Option of BuildKit's frontend: target, platform, build-arg:NAME, label:NAME, context:NAME, no-cache …",
    },
    {
      name: "images",
      value: "FILE",
      group: "Input",
      text: "JSON file of base images: NAME to {image}, {image, digest} or {error}; * stands for all others",
    },
    {
      name: "ignore",
      value: "FILE",
      group: "Input",
      text: "Ignore file (default: FILE.dockerignore, else .dockerignore beside FILE)",
    },
  ],
  examples: [
    { command: "tsbuild debug plan --step make", text: "Steps with make" },
    { command: "tsbuild debug dump-ast --json Dockerfile", text: "" },
    {
      command: "tsbuild debug dump-llb --json --images images.json --opt target=test Dockerfile",
      text: "",
    },
  ],
};
