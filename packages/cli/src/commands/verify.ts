import type { FirstDifference, VerifyReport } from "@tsbuild/engine";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { startProgress } from "../progress/driver.ts";
import { progressMode } from "../progress/mode.ts";
import type { BuildOutcome } from "../progress/report.ts";
import { safeLine, safeName } from "../sanitize.ts";
import { buildRequest } from "./build-request.ts";
import { engineOptions } from "./engine-options.ts";

/** `tsbuild verify PATH`: the builds on standard error, the result on standard output; 1 when they differ. */
export async function verify(flags: ParsedFlags, io: CommandIo): Promise<number> {
  const format = oneOf("--format", flags.last("format") ?? "text", ["text", "json"]);
  const mode = progressMode({ quiet: false, progress: flags.last("progress") }, io.stderr, io.env);
  const request = await buildRequest(flags, io);
  const engine = await io.openEngine(engineOptions(flags, io));
  try {
    const report = await engine.verify(request, {
      against: flags.last("against"),
      signal: io.signal,
      onBuild: async (which) => {
        if (mode === "plain") io.stderr.write(`\n${which} build\n`);
        const view = await startProgress(mode, io);
        return { onEvent: (event) => view.onEvent(event), finish: (error) => view.finish(outcomeOf(error)) };
      },
    });
    io.stdout.write(format === "json" ? `${JSON.stringify(report)}\n` : verifyText(report));
    return report.difference === undefined ? 0 : 1;
  } finally {
    await engine.close();
  }
}

function outcomeOf(error: unknown): BuildOutcome {
  return error === undefined ? { result: { names: [] } } : { error };
}

/** What differs, with both values below each other. */
export function verifyText({ first, second, difference }: VerifyReport): string {
  if (difference === undefined) return `reproducible: ${first}, twice\n`;
  const lines = [
    "not reproducible",
    ...placeLines(difference),
    `  first   ${safeLine(difference.first)}`,
    `  second  ${safeLine(difference.second)}`,
    `images   ${first}`,
    `         ${second}`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function placeLines({ layer, path, attribute }: FirstDifference): string[] {
  if (layer === undefined) return [`config   ${safeLine(path)}: ${attribute}`];
  const { number, of, step } = layer;
  return [`layer    ${number} of ${of}: ${safeName(step)}`, `path     ${safeLine(path)}: ${attribute}`];
}
