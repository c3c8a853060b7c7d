import type { RunInstruction } from "@tsbuild/dockerfile";
import { runCommands } from "./own-rule.ts";
import { aptVerb, type ShellCommand } from "./shell-commands.ts";

/** What a RUN does with apt. */
export interface AptUse {
  readonly updates: boolean;
  readonly installs: readonly ShellCommand[];
  /** The lists are gone afterwards, or were never in the layer. */
  readonly isClean: boolean;
}

const INSTALLING = new Set([
  "install",
  "upgrade",
  "dist-upgrade",
  "full-upgrade",
  "build-dep",
  "source",
  "download",
]);

export function aptUse(run: RunInstruction): AptUse {
  const commands = runCommands(run);
  const removes = commands.some(
    ({ words }) =>
      (words[0] === "rm" || words[0] === "find") && words.some((word) => word.includes("/var/lib/apt")),
  );
  const mounted = run.mounts.some(
    (mount) => /type=(?:cache|tmpfs)/.test(mount) && mount.includes("/var/lib/apt"),
  );
  return {
    updates: commands.some((command) => aptVerb(command) === "update"),
    installs: commands.filter((command) => INSTALLING.has(aptVerb(command) ?? "")),
    isClean: removes || mounted,
  };
}
