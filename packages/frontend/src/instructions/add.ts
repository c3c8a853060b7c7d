import type { AddInstruction } from "@tsbuild/dockerfile";
import { mistake } from "../failure.ts";
import { isHttpSource, parseGitReference } from "../git-source.ts";
import { contextPath } from "../paths.ts";
import { copyFiles, expandCopy } from "./copy-files.ts";
import type { Step } from "./step.ts";

function isRemote(source: string): boolean {
  return isHttpSource(source) || parseGitReference(source)?.looksLocal === false;
}

function checkChecksum(checksum: string, sources: readonly string[]): void {
  if (checksum === "") return;
  const [source] = sources;
  if (sources.length !== 1 || source === undefined)
    throw mistake("--checksum is for one source, and ADD has several", "write one ADD per source");
  if (!isRemote(source))
    throw mistake(
      "--checksum is for http(s) and git sources only",
      "remove --checksum: local files are hashed anyway",
    );
}

/** ADD: like COPY, and it unpacks local archives and fetches URLs and repositories (D110–D112). */
export function add(step: Step<AddInstruction>): void {
  const { command, context } = step;
  const expanded = expandCopy(step);
  const checksum = step.expand(command.checksum);
  checkChecksum(checksum, expanded.sources);
  copyFiles(step, {
    ...expanded,
    from: context.mainContext,
    parents: false,
    unpack: command.unpack,
    local: true,
    files: true,
    remote: { checksum, keepGitDir: command.keepGitDir },
  });
  for (const source of expanded.sources)
    if (!/^https?:\/\//.test(source)) context.contextPaths.add(contextPath(source));
}
