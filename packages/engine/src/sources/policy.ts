import { runInNewContext } from "node:vm";
import { hideCredentials, TsbuildError } from "@tsbuild/base";
import type { SourceName } from "./rules.ts";

export interface PolicyRule {
  readonly action: "ALLOW" | "DENY" | "CONVERT";
  readonly selector: {
    readonly identifier: string;
    readonly match: MatchType;
    readonly constraints: readonly Constraint[];
  };
  readonly updates: { readonly identifier: string; readonly attrs: Readonly<Record<string, string>> };
}

export type MatchType = "EXACT" | "WILDCARD" | "REGEX";

export interface Constraint {
  readonly key: string;
  readonly value: string;
  readonly condition: "EQUAL" | "NOTEQUAL" | "MATCHES";
}

// CONVERT starts the evaluation anew; rules that send each other's sources in circles end here (X009).
const MAX_CONVERSIONS = 20;
const MATCH_TIMEOUT_MS = 500;

/**
 * Replaces all that matches, within a time limit; undefined when nothing does. JavaScript's expressions backtrack, and both the rule and
 * the source may be a stranger's; the engine looks for an interrupt while it backtracks, so a script's timeout ends it.
 */
function boundedReplace({ pattern, flags, text, replacement }: Replacement): string | undefined {
  const script = `const found = new RegExp(pattern, flags + "g"); found.test(text) ? text.replace(found, expand) : undefined`;
  const expand = (...parts: readonly unknown[]): string => expanded(replacement, parts);
  try {
    return runInNewContext(script, { pattern, flags, text, expand }, { timeout: MATCH_TIMEOUT_MS }) as
      | string
      | undefined;
  } catch (cause) {
    const slow = (cause as { readonly code?: unknown }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    const why = slow ? `takes longer than ${MATCH_TIMEOUT_MS} ms` : "is not a regular expression";
    throw new TsbuildError("TSB_USAGE", `the source policy's pattern ${JSON.stringify(pattern)} ${why}`, {
      cause,
    });
  }
}

interface Replacement {
  readonly pattern: string;
  readonly flags: string;
  readonly text: string;
  /** With `$1`, `${1}`, `$name`, `${name}` and `$$`. */
  readonly replacement: string;
}

/** What Go's Regexp.Expand makes of a replacement: a name is as long as it can be, and one that there is no group of is nothing. */
function expanded(replacement: string, parts: readonly unknown[]): string {
  const last = parts.at(-1);
  const names = typeof last === "object" && last !== null ? (last as Record<string, unknown>) : {};
  return replacement.replace(/\$(?:(\$)|\{(\w+)\}|(\w+))/g, (_all, dollar, braced, plain) => {
    if (dollar !== undefined) return "$";
    const name: string = braced ?? plain;
    const groups = parts.slice(
      0,
      parts.findIndex((part) => typeof part === "number"),
    );
    return String((/^\d+$/.test(name) ? groups[Number(name)] : names[name]) ?? "");
  });
}

/** `(?i)` and the like in front, and `(?P<name>…)`, are how Go, which policies are written for, spells flags and names. */
function replaceRegex(pattern: string, text: string, replacement: string): string | undefined {
  const [, flags = "", rest = ""] = /^(?:\(\?([ims]+)\))?([\s\S]*)$/.exec(pattern) ?? [];
  return boundedReplace({ pattern: rest.replaceAll("(?P<", "(?<"), flags: `${flags}u`, text, replacement });
}

/** Only `*` is special, and takes as much as it can: that is how BuildKit numbers what `$1` stands for. */
function replaceWildcard(pattern: string, text: string, replacement: string): string | undefined {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "(.*)");
  return boundedReplace({ pattern: `^${escaped}$`, flags: "", text, replacement });
}

/** The identifier that `replacement` makes of the source's; undefined when the selector is about something else. */
function replaced(
  { identifier, match, constraints }: PolicyRule["selector"],
  source: SourceName,
  replacement: string,
): string | undefined {
  if (!constraints.every((constraint) => holds(constraint, source))) return undefined;
  const text = source.identifier;
  if (match === "EXACT") return identifier === text ? replacement : undefined;
  const replace = match === "REGEX" ? replaceRegex : replaceWildcard;
  // A name that is written out is meant, whatever its dots and question marks are to an expression.
  return replace(identifier, text, replacement) ?? (identifier === text ? text : undefined);
}

function holds({ key, value, condition }: Constraint, { attrs }: SourceName): boolean {
  const actual = attrs[key] ?? "";
  if (condition === "MATCHES") return replaceRegex(value, actual, "") !== undefined;
  return (actual === value) === (condition === "EQUAL");
}

function changed(before: SourceName, after: SourceName): boolean {
  const { identifier, attrs } = after;
  return (
    identifier !== before.identifier || Object.keys(attrs).some((key) => attrs[key] !== before.attrs[key])
  );
}

/** One pass over the rules: a conversion, or the verdict of the last ALLOW or DENY that matches. */
function evaluate(rules: readonly PolicyRule[], source: SourceName): SourceName | "allowed" | "denied" {
  let verdict: "allowed" | "denied" = "allowed";
  for (const rule of rules) {
    const { identifier, attrs } = rule.updates;
    const found = replaced(rule.selector, source, identifier);
    if (found === undefined) continue;
    if (rule.action !== "CONVERT") verdict = rule.action === "DENY" ? "denied" : "allowed";
    else {
      const after = {
        identifier: identifier === "" ? source.identifier : found,
        attrs: { ...source.attrs, ...attrs },
      };
      if (changed(source, after)) return after;
    }
  }
  return verdict;
}

/** The source that the policy has read in place of `source` (X009). Throws TSB_RESOLVE when it is denied, TSB_USAGE for rules in circles. */
export function applyPolicy(rules: readonly PolicyRule[], source: SourceName): SourceName {
  let current = source;
  for (let count = 0; count <= MAX_CONVERSIONS; count++) {
    const outcome = evaluate(rules, current);
    if (outcome === "allowed") return current;
    if (outcome === "denied") {
      const became =
        current.identifier === source.identifier ? "" : ` (which was ${hideCredentials(source.identifier)})`;
      throw new TsbuildError(
        "TSB_RESOLVE",
        `the source policy denies ${hideCredentials(current.identifier)}${became}`,
        {
          hint: "change the source, or the file of --source-policy",
        },
      );
    }
    current = outcome;
  }
  throw new TsbuildError(
    "TSB_USAGE",
    `the source policy converts ${hideCredentials(source.identifier)} more than ${MAX_CONVERSIONS} times`,
    {
      hint: "two CONVERT rules may undo each other",
    },
  );
}
