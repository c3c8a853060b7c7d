import { TsbuildError } from "@tsbuild/base";
import type { Inspection } from "@tsbuild/engine";
import { checkStatus } from "../check/findings.ts";
import { checkText } from "../check/text.ts";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";
import { hasColors } from "../progress/mode.ts";
import { lintJson, outlineJson, targetsJson } from "./call-json.ts";
import { outlineText, targetsText } from "./call-text.ts";
import { withInspection } from "./inspect-request.ts";
import { planText } from "./plan-text.ts";

const METHODS = ["build", "check", "outline", "targets", "plan", "definition"] as const;

/** `--call=METHOD[,format=FORMAT][,ignorestatus=BOOLEAN]`. */
export interface Call {
  readonly method: (typeof METHODS)[number];
  readonly format: "text" | "json";
  /** `check` ends with 0 whatever it finds. */
  readonly ignoreStatus: boolean;
}

/** What of `--call`, `--check` and `--print` was given; undefined: a build. Throws TSB_USAGE. */
export function requestedCall(flags: ParsedFlags): Call | undefined {
  const text = flags.last("print") ?? flags.last("call") ?? (flags.isOn("check") ? "check" : "build");
  const [name = "", ...options] = text.split(",");
  const known: Readonly<Record<string, Call["method"]>> = { lint: "check", "": "build" };
  const method = known[name] ?? oneOf("--call", name, METHODS);
  let call: Call = { method, format: "text", ignoreStatus: false };
  for (const option of options) {
    const [key, value = "true"] = option.split("=");
    if (key === "format") call = { ...call, format: oneOf("--call format", value, ["text", "json"]) };
    else if (key === "ignorestatus") call = { ...call, ignoreStatus: value === "true" || value === "1" };
    else throw unknownOption(option);
  }
  return method === "build" ? undefined : call;
}

function unknownOption(option: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `--call has no option ${JSON.stringify(option)}`, {
    hint: "--call=METHOD,format=json or --call=check,ignorestatus=true",
  });
}

/** `tsbuild build --call=…`: the answer to standard output. */
export async function call(asked: Call, flags: ParsedFlags, io: CommandIo): Promise<number> {
  return withInspection(flags, io, async (inspect) => {
    const inspection = await inspect();
    if (asked.method === "definition") return definition(inspection, io);
    if (asked.method === "check") return lint(asked, inspection, io);
    io.stdout.write(await answer(asked, inspection));
    return 0;
  });
}

async function answer({ method, format }: Call, inspection: Inspection): Promise<string> {
  if (method === "outline") {
    const outline = await inspection.outline();
    return format === "json" ? outlineJson(outline, inspection) : outlineText(outline);
  }
  if (method === "plan") {
    const plan = await inspection.plan();
    return format === "json" ? `${JSON.stringify(plan, undefined, 2)}\n` : planText(plan);
  }
  const targets = await inspection.targets();
  return format === "json" ? targetsJson(targets, inspection) : targetsText(targets);
}

/** The rules that BuildKit has, too: what `docker build --check` finds. `tsbuild check` finds more. */
async function lint({ format, ignoreStatus }: Call, inspection: Inspection, io: CommandIo): Promise<number> {
  const report = await inspection.check({ ownRules: false });
  const text =
    format === "json"
      ? lintJson(report, (await import("@tsbuild/engine/debug")).CATALOGUE)
      : checkText(report, { color: hasColors(io.stdout, io.env) });
  io.stdout.write(text);
  return ignoreStatus ? 0 : checkStatus(report, "warning");
}

async function definition(inspection: Inspection, io: CommandIo): Promise<number> {
  if (io.stdout.isTTY === true)
    throw new TsbuildError("TSB_USAGE", "a definition is binary, and standard output is a terminal", {
      hint: "tsbuild build --print=definition . > definition.pb",
    });
  const { platforms } = await inspection.compile();
  const [platform, ...others] = platforms;
  if (platform === undefined || others.length > 0)
    throw new TsbuildError("TSB_USAGE", "a definition is of one platform", {
      hint: "--platform linux/amd64",
    });
  const { marshalGraph } = await import("@tsbuild/engine/debug");
  io.stdout.write(marshalGraph(platform.graph));
  return 0;
}
