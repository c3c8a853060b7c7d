import { type OwnRule, runCommands } from "./own-rule.ts";
import { operands, type ShellCommand } from "./shell-commands.ts";

/** Dependency installers with the verbs that read a manifest, and the files of that manifest. */
const INSTALLERS: readonly { readonly program: RegExp; readonly verb: RegExp; readonly manifest: string }[] =
  [
    { program: /^npm$/, verb: /^(?:ci|install|i|clean-install)$/, manifest: "package*.json" },
    { program: /^yarn$/, verb: /^(?:install)?$/, manifest: "package.json yarn.lock" },
    { program: /^pnpm$/, verb: /^(?:install|i|fetch)$/, manifest: "package.json pnpm-lock.yaml" },
    { program: /^bun$/, verb: /^(?:install|i)$/, manifest: "package.json bun.lock" },
    { program: /^bundle$/, verb: /^install$/, manifest: "Gemfile Gemfile.lock" },
    { program: /^composer$/, verb: /^install$/, manifest: "composer.json composer.lock" },
    { program: /^poetry$/, verb: /^install$/, manifest: "pyproject.toml poetry.lock" },
    { program: /^uv$/, verb: /^sync$/, manifest: "pyproject.toml uv.lock" },
    { program: /^cargo$/, verb: /^fetch$/, manifest: "Cargo.toml Cargo.lock" },
    { program: /^go$/, verb: /^mod download$/, manifest: "go.mod go.sum" },
  ];

/** The manifest that a command reads; undefined when it installs nothing, or names what it installs. */
function manifestOf(command: ShellCommand): string | undefined {
  const { words } = command;
  const [program = ""] = words;
  if (words.some((word) => word === "-g" || word === "--global")) return undefined;
  const requirements = words[words.findIndex((word) => word === "-r" || word === "--requirement") + 1];
  if (/^pip[\d.]*$/.test(program) && words.includes("install") && requirements !== program)
    return requirements;
  const verb = operands(command).join(" ");
  return INSTALLERS.find((one) => one.program.test(program) && one.verb.test(verb))?.manifest;
}

export const copyBeforeInstall: OwnRule = {
  name: "CopyBeforeInstall",
  severity: "warning",
  what: "The whole context is copied before dependencies are installed.",
  why: "Any change of any source file makes the installation run anew, with all its downloads. When only the manifest and the lock file are copied first, it stays in the cache until they change.",
  bad: `FROM node:22
WORKDIR /app
COPY . .
RUN npm ci
`,
  good: `FROM node:22
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY . .
`,
  check({ stages }, report) {
    for (const { commands } of stages) {
      const whole = commands.find(
        (command) =>
          command.kind === "copy" &&
          command.from === "" &&
          command.sources.some((source) => /^\.?\/?$/.test(source)),
      );
      if (whole === undefined) continue;
      for (const run of commands.slice(commands.indexOf(whole) + 1)) {
        if (run.kind !== "run") continue;
        const manifest = runCommands(run)
          .map(manifestOf)
          .find((found) => found !== undefined);
        if (manifest === undefined) continue;
        const message = `every change of a file makes line ${run.range.start} install all dependencies anew: copy ${manifest} before, the rest after it`;
        report(whole, message);
        break;
      }
    }
  },
};
