import { TsbuildError } from "@tsbuild/base";
import type { CacheRequest } from "@tsbuild/engine";
import { csvFields } from "./csv.ts";

const EXAMPLE = "for example type=registry,ref=registry.example/app:cache,mode=max";

/**
 * One --cache-to or --cache-from (C011): `type=…,k=v`; a bare reference is type=registry, as docker build has it. What a type takes is
 * the engine's to say. Throws TSB_USAGE.
 */
export function parseCache(flag: string, text: string): CacheRequest {
  const fields = csvFields(text);
  const [first = ""] = fields;
  if (first.trim() === "") throw new TsbuildError("TSB_USAGE", `${flag} is empty`, { hint: EXAMPLE });
  if (!first.includes("=")) {
    if (fields.length === 1) return { type: "registry", attrs: { ref: first } };
    throw new TsbuildError("TSB_USAGE", `${flag} ${text}: ${JSON.stringify(first)} is not KEY=VALUE`, {
      hint: EXAMPLE,
    });
  }
  const { type, ...attrs } = Object.fromEntries(fields.map((field) => keyValue(flag, text, field)));
  if (type !== undefined && type !== "") return { type, attrs };
  throw new TsbuildError("TSB_USAGE", `${flag} ${text}: type= is missing`, { hint: EXAMPLE });
}

function keyValue(flag: string, text: string, field: string): [string, string] {
  const equals = field.indexOf("=");
  if (equals > 0) return [field.slice(0, equals).trim().toLowerCase(), field.slice(equals + 1)];
  throw new TsbuildError("TSB_USAGE", `${flag} ${text}: ${JSON.stringify(field)} is not KEY=VALUE`, {
    hint: EXAMPLE,
  });
}
