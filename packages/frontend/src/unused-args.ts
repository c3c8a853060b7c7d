import { nearest } from "@tsbuild/base";
import type { Warning } from "./api.ts";

/** Arguments that need no ARG: those of the platforms, proxies, and those that steer the build (D051, D053–D057). */
const PREDEFINED = [
  /^(?:TARGET|BUILD)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$/,
  /^TARGETSTAGE$/,
  /^(?:http|https|ftp|no|all)_proxy$/i,
  /^BUILDKIT_/,
  /^SOURCE_DATE_EPOCH$/,
];

function isPredefined(name: string): boolean {
  return PREDEFINED.some((pattern) => pattern.test(name));
}

/**
 * One warning for all build arguments that no ARG of the file or of a trigger declares (D051): mostly a slip of the
 * fingers, and else without effect. `declared` are the names of all ARGs, also of stages that the target does not need.
 */
export function unusedArgs(given: Iterable<string>, declared: ReadonlySet<string>): Warning[] {
  const unused = [...given].filter((name) => !declared.has(name) && !isPredefined(name)).sort();
  if (unused.length === 0) return [];
  const named = unused.map((name) => {
    const near = nearest(name, declared);
    return near === undefined ? name : `${name} (did you mean ${near}?)`;
  });
  const message = `no ARG declares ${unused.length === 1 ? "the build argument" : "the build arguments"} ${named.join(", ")}`;
  return [{ rule: UNUSED_ARG, message, ranges: [] }];
}

/** It is about the command line and no rule of the file: nothing in the file can silence it. */
export const UNUSED_ARG = "UnusedBuildArg";
