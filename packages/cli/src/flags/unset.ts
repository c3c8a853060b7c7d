import { nearest, TsbuildError } from "@tsbuild/base";
import type { ConfigRemoval } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";

const NAMED = ["env", "volume", "expose", "label"] as const;
const WHOLE = [
  "entrypoint",
  "cmd",
  "user",
  "workdir",
  "healthcheck",
  "stopsignal",
  "shell",
  "onbuild",
] as const;

/** One `--unset` (W033): `env:NAME`, `cmd` …, separated by commas. Throws TSB_USAGE. */
export function parseUnset(text: string): ConfigRemoval[] {
  return csvFields(text).map((field) => parseRemoval(text, field.trim()));
}

function parseRemoval(text: string, item: string): ConfigRemoval {
  const colon = item.indexOf(":");
  const word = (colon < 0 ? item : item.slice(0, colon)).toLowerCase();
  const name = colon < 0 ? "" : item.slice(colon + 1);
  const named = NAMED.find((field) => field === word);
  if (named !== undefined) {
    if (name !== "") return { field: named, name };
    throw usage(text, `${word} needs a name`, `${word}:NAME`);
  }
  const whole = WHOLE.find((field) => field === word);
  if (whole === undefined) throw unknownField(text, word);
  if (colon < 0) return { field: whole };
  throw usage(text, `${word} takes no name: ${JSON.stringify(name)}`, whole);
}

function unknownField(text: string, word: string): TsbuildError {
  const known = [...NAMED.map((field) => `${field}:NAME`), ...WHOLE];
  const near = nearest(word, [...NAMED, ...WHOLE]);
  const hint = near === undefined ? `one of ${known.join(", ")}` : `did you mean ${near}?`;
  return usage(text, `unknown field ${JSON.stringify(word)}`, hint);
}

function usage(text: string, message: string, hint: string): TsbuildError {
  return new TsbuildError("TSB_USAGE", `--unset ${text}: ${message}`, { hint });
}
