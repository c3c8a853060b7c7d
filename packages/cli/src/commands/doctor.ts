import { TsbuildError } from "@tsbuild/base";
import type { Gate } from "@tsbuild/engine/doctor";
import type { ParsedFlags } from "../flags/parse.ts";
import { oneOf } from "../flags/values.ts";
import type { CommandIo } from "../io.ts";

/** `tsbuild doctor`: what this machine lets builds do. Ends with 1 when steps cannot run. */
export async function doctor(flags: ParsedFlags, io: CommandIo): Promise<number> {
  if (flags.operands.length > 0) {
    throw new TsbuildError("TSB_USAGE", `doctor takes no argument: ${flags.operands.join(" ")}`);
  }
  const format = oneOf("--format", flags.last("format") ?? "text", ["text", "json"]);
  const { examine } = await import("@tsbuild/engine/doctor");
  const gates = examine({ env: io.env, root: flags.last("root") });
  io.stdout.write(format === "json" ? `${JSON.stringify(gates, null, 2)}\n` : gates.map(gateText).join(""));
  return gates.some(({ holds, required }) => required && !holds) ? 1 : 0;
}

/** One line for a gate that holds; what happens instead and what to type below one that does not. */
export function gateText({ name, holds, required, found, fallback, fix }: Gate): string {
  const mark = holds ? "ok" : required ? "FAILS" : "no";
  const line = `${mark.padEnd(6)} ${name}: ${found}\n`;
  return holds ? line : `${line}       without it: ${fallback}\n       to have it: ${fix}\n`;
}
