import { nearest, TsbuildError } from "@tsbuild/base";
import type { FailureOutput } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";

const KEYS = ["dest", "path"];
const EXAMPLE = "for example --output-on-fail dest=reports,path=/app/test-results";

/** One `--output-on-fail dest=DIR,path=PATH` (W023). Throws TSB_USAGE. */
export function parseFailureOutput(text: string): FailureOutput {
  const fields = new Map<string, string>();
  for (const field of csvFields(text)) {
    const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(field) ?? [];
    if (!KEYS.includes(key)) throw refused(text, `unknown key ${JSON.stringify(key || field)}`, key || field);
    if (value === "") throw refused(text, `${key}= is empty`);
    fields.set(key, value);
  }
  const [dest, path] = [fields.get("dest"), fields.get("path")];
  if (dest === undefined || path === undefined) {
    throw refused(text, `${dest === undefined ? "dest" : "path"}= is missing`);
  }
  if (dest === "-") throw refused(text, "dest= names a folder");
  if (!path.startsWith("/")) throw refused(text, "path= is a path from the step's root, with /");
  return { dest, path };
}

function refused(text: string, problem: string, key?: string): TsbuildError {
  const meant = key === undefined ? undefined : nearest(key, KEYS);
  const hint = meant === undefined ? EXAMPLE : `did you mean ${meant}=?`;
  return new TsbuildError("TSB_USAGE", `--output-on-fail ${JSON.stringify(text)}: ${problem}`, { hint });
}
