import { suggestion, TsbuildError } from "@tsbuild/base";
import type { ContextPart } from "@tsbuild/engine/context-list";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf, positiveInteger } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { formatBytes, plural } from "../progress/units.ts";
import { safeName } from "../sanitize.ts";
import { columns } from "../upkeep/table.ts";

const LARGEST = 20;

/** `tsbuild context ls`: what a build's context has in it, and how much of it (W007). */
export async function context(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const [action = "ls", folder = ".", ...rest] = flags.operands;
  if (action !== "ls") {
    throw new TsbuildError("TSB_USAGE", `context has no action ${JSON.stringify(action)}`, {
      hint: suggestion(action, ["ls"]),
    });
  }
  if (rest.length > 0) throw new TsbuildError("TSB_USAGE", "context ls takes one folder");
  const format = oneOf("--format", flags.last("format") ?? "table", ["table", "json"]);
  const count = flags.last("largest");
  const { contextList } = await import("@tsbuild/engine/context-list");
  const { ignoreFile, ...found } = await contextList({
    folder,
    dockerfile: flags.last("file"),
    noIgnore: flags.isOn("no-ignore"),
    largest: count === undefined ? (format === "json" ? LARGEST : 0) : positiveInteger("--largest", count),
  });
  if (format === "json") {
    io.stdout.write(`${JSON.stringify({ ...found, ignoreFile: ignoreFile ?? null })}\n`);
    return 0;
  }
  const under = ignoreFile === undefined ? "no .dockerignore" : `${safeName(ignoreFile)} applied`;
  io.stdout.write(table(count === undefined ? found.top : found.largest, count === undefined));
  io.stdout.write(`\n${formatBytes(found.bytes)} in ${plural(found.files, "file")} (${under})\n`);
  return 0;
}

function table(parts: readonly ContextPart[], withFiles: boolean): string {
  const rows = parts.map(({ path, files, bytes }) =>
    withFiles ? [formatBytes(bytes), String(files), safeName(path)] : [formatBytes(bytes), safeName(path)],
  );
  return withFiles
    ? columns([["SIZE", "FILES", "PATH"], ...rows], [0, 1])
    : columns([["SIZE", "PATH"], ...rows], [0]);
}
