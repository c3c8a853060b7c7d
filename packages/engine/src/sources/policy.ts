import { runInNewContext } from "node:vm";
import { TsbuildError } from "@tsbuild/base";
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
 * Matches with a time limit. JavaScript's expressions backtrack, and both the rule and the source may be a stranger's; the engine looks
 * for an interrupt while it backtracks, so a script's timeout ends it.
 */
function boundedExec(pattern: string, flags: string, text: string): readonly string[] | undefined {
  try {
    const found: unknown = runInNewContext(
      "new RegExp(pattern, flags).exec(text)",
      { pattern, flags, text },
      { timeout: MATCH_TIMEOUT_MS },
    );
    return found === null
      ? undefined
      : Array.from(found as ArrayLike<string | undefined>, (part) => part ?? "");
  } catch (cause) {
    const slow = (cause as { readonly code?: unknown }).code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
    const why = slow ? `takes longer than ${MATCH_TIMEOUT_MS} ms` : "is not a regular expression";
    throw new TsbuildError("TSB_USAGE", `the source policy's pattern ${JSON.stringify(pattern)} ${why}`, {
      cause,
    });
  }
}

/** `(?i)` and the like in front are how Go, which policies are written for, spells flags. */
function matchRegex(pattern: string, text: string): readonly string[] | undefined {
  const [, flags = "", rest = ""] = /^(?:\(\?([ims]+)\))?([\s\S]*)$/.exec(pattern) ?? [];
  return boundedExec(rest, `${flags}u`, text);
}

function matchWildcard(pattern: string, text: string): readonly string[] | undefined {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return boundedExec(`^${escaped.replaceAll("*", "([\\s\\S]*?)").replaceAll("?", "([\\s\\S])")}$`, "", text);
}

/** The match and its groups; undefined when the rule is about something else. */
function matched(
  { identifier, match, constraints }: PolicyRule["selector"],
  source: SourceName,
): readonly string[] | undefined {
  if (!constraints.every((constraint) => holds(constraint, source))) return undefined;
  const text = source.identifier;
  if (match === "EXACT") return identifier === text ? [text] : undefined;
  return match === "REGEX" ? matchRegex(identifier, text) : matchWildcard(identifier, text);
}

function holds({ key, value, condition }: Constraint, { attrs }: SourceName): boolean {
  const actual = attrs[key] ?? "";
  if (condition === "MATCHES") return matchRegex(value, actual) !== undefined;
  return (actual === value) === (condition === "EQUAL");
}

/** `$1` and `${1}` stand for what the selector's groups or wildcards matched. */
function converted({ updates }: PolicyRule, source: SourceName, groups: readonly string[]): SourceName {
  const identifier = updates.identifier.replace(
    /\$(?:\{(\d+)\}|(\d+))/g,
    (_all, braced?: string, plain?: string) => groups[Number(braced ?? plain)] ?? "",
  );
  return { identifier: identifier || source.identifier, attrs: { ...source.attrs, ...updates.attrs } };
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
    const groups = matched(rule.selector, source);
    if (groups === undefined) continue;
    if (rule.action !== "CONVERT") verdict = rule.action === "DENY" ? "denied" : "allowed";
    else {
      const after = converted(rule, source, groups);
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
      const became = current.identifier === source.identifier ? "" : ` (which was ${source.identifier})`;
      throw new TsbuildError("TSB_RESOLVE", `the source policy denies ${current.identifier}${became}`, {
        hint: "change the source, or the file of --source-policy",
      });
    }
    current = outcome;
  }
  throw new TsbuildError(
    "TSB_USAGE",
    `the source policy converts ${source.identifier} more than ${MAX_CONVERSIONS} times`,
    {
      hint: "two CONVERT rules may undo each other",
    },
  );
}
