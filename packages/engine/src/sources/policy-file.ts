import { readFileSync } from "node:fs";
import { TsbuildError } from "@tsbuild/base";
import type { Constraint, MatchType, PolicyRule } from "./policy.ts";

/** Enumerations as BuildKit's JSON has them, by name or by number. */
const ACTIONS = ["ALLOW", "DENY", "CONVERT"] as const;
const MATCHES: readonly MatchType[] = ["WILDCARD", "EXACT", "REGEX"];
const CONDITIONS = ["EQUAL", "NOTEQUAL", "MATCHES"] as const;

const HINT =
  'for example {"rules": [{"action": "DENY", "selector": {"identifier": "docker-image://*", "matchType": "WILDCARD"}}]}';

class PolicyReader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  fail(where: string, why: string, cause?: unknown): TsbuildError {
    return new TsbuildError("TSB_USAGE", `${this.#path}: ${where} ${why}`, { hint: HINT, cause });
  }

  object(value: unknown, where: string, keys: readonly string[]): Record<string, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw this.fail(where, "is not an object");
    const unknown = Object.keys(value).find((key) => !keys.includes(key));
    if (unknown !== undefined) throw this.fail(where, `has an unknown field ${JSON.stringify(unknown)}`);
    return value as Record<string, unknown>;
  }

  list(value: unknown, where: string): readonly unknown[] {
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw this.fail(where, "is not a list");
    return value;
  }

  text(value: unknown, where: string): string {
    if (value === undefined) return "";
    if (typeof value !== "string") throw this.fail(where, "is not a text");
    return value;
  }

  oneOf<T extends string>(value: unknown, where: string, words: readonly T[]): T {
    if (value === undefined) return words[0] as T;
    const found = typeof value === "number" ? words[value] : words.find((word) => word === value);
    if (found === undefined) throw this.fail(where, `is ${JSON.stringify(value)}: use ${words.join(", ")}`);
    return found;
  }

  texts(value: unknown, where: string): Record<string, string> {
    if (value === undefined || value === null) return {};
    const entries = Object.entries(this.object(value, where, Object.keys(value)));
    return Object.fromEntries(entries.map(([key, one]) => [key, this.text(one, `${where}.${key}`)]));
  }
}

function readConstraint(reader: PolicyReader, value: unknown, where: string): Constraint {
  const fields = reader.object(value, where, ["key", "value", "condition"]);
  return {
    key: reader.text(fields["key"], `${where}.key`),
    value: reader.text(fields["value"], `${where}.value`),
    condition: reader.oneOf(fields["condition"], `${where}.condition`, CONDITIONS),
  };
}

function readRule(reader: PolicyReader, value: unknown, where: string): PolicyRule {
  const fields = reader.object(value, where, ["action", "selector", "updates"]);
  const known = ["identifier", "matchType", "match_type", "constraints"];
  const selector = reader.object(fields["selector"], `${where}.selector`, known);
  const updates = reader.object(fields["updates"] ?? {}, `${where}.updates`, ["identifier", "attrs"]);
  const match = selector["matchType"] ?? selector["match_type"];
  const constraints = reader.list(selector["constraints"], `${where}.selector.constraints`);
  const action = reader.oneOf(fields["action"], `${where}.action`, ACTIONS);
  if (action === "CONVERT" && Object.keys(updates).length === 0)
    throw reader.fail(where, "is CONVERT and has no updates");
  return {
    action,
    selector: {
      identifier: reader.text(selector["identifier"], `${where}.selector.identifier`),
      match: reader.oneOf(match, `${where}.selector.matchType`, MATCHES),
      constraints: constraints.map((one, i) =>
        readConstraint(reader, one, `${where}.selector.constraints[${i}]`),
      ),
    },
    updates: {
      identifier: reader.text(updates["identifier"], `${where}.updates.identifier`),
      attrs: reader.texts(updates["attrs"], `${where}.updates.attrs`),
    },
  };
}

/** Rules of a policy's JSON; `path` is for messages. Throws TSB_USAGE naming the field. */
export function parsePolicy(text: string, path: string): PolicyRule[] {
  const reader = new PolicyReader(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw reader.fail(
      "it",
      `is not valid JSON: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    );
  }
  const { rules } = reader.object(value, "the policy", ["version", "rules"]);
  return reader.list(rules, "rules").map((rule, i) => readRule(reader, rule, `rules[${i}]`));
}

/** Reads a policy file. Throws TSB_USAGE: a policy that cannot be read must not be taken for one that allows everything. */
export function readPolicy(path: string): PolicyRule[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new TsbuildError("TSB_USAGE", `the source policy ${JSON.stringify(path)} cannot be read`, {
      hint: HINT,
      cause,
    });
  }
  return parsePolicy(text, path);
}
