import type { CheckReport, Outline, OutlineSecret, Target } from "@tsbuild/engine";
import type { RuleText } from "../check/machine.ts";

interface Lines {
  readonly start: number;
  readonly end: number;
}

/** A place as BuildKit's subrequests write it. */
function location(ranges: readonly Lines[]): unknown {
  return { ranges: ranges.map(({ start, end }) => ({ start: { line: start }, end: { line: end } })) };
}

function print(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** The result of BuildKit's `frontend.lint`. */
export function lintJson({ file, text, diagnostics }: CheckReport, rules: readonly RuleText[]): string {
  const error = diagnostics.find(({ rule, severity }) => severity === "error" && rule === undefined);
  const warnings = diagnostics.flatMap(({ rule, message, url, ranges }) => {
    if (rule === undefined) return [];
    const description = rules.find(({ name }) => name === rule)?.what;
    return [{ ruleName: rule, description, url, detail: message, location: location(ranges) }];
  });
  return print({
    warnings,
    sources: [{ filename: file, language: "Dockerfile", data: base64(text) }],
    ...(error === undefined
      ? {}
      : { buildError: { message: error.message, location: location(error.ranges) } }),
  });
}

/** Without lists that are empty. */
function list(name: string, items: readonly unknown[]): Record<string, unknown> {
  return items.length === 0 ? {} : { [name]: items };
}

function secret({ name, required, range }: OutlineSecret): unknown {
  return { name, ...(required ? { required } : {}), location: location([range]) };
}

/** The result of `frontend.outline`. */
export function outlineJson(
  { name, description, args, secrets, ssh, cache }: Outline,
  source: { readonly text: string },
): string {
  return print({
    name,
    description,
    ...list(
      "args",
      args.map(({ range, name, description, value }) => ({
        name,
        description,
        value,
        location: location([range]),
      })),
    ),
    ...list("secrets", secrets.map(secret)),
    ...list("ssh", ssh.map(secret)),
    ...list(
      "cache",
      cache.map(({ id, range }) => ({ ID: id, location: location([range]) })),
    ),
    sources: [base64(source.text)],
  });
}

/** The result of `frontend.targets`. */
export function targetsJson(targets: readonly Target[], source: { readonly text: string }): string {
  return print({
    targets: targets.map(({ name, isDefault, description, base, platform, range }) => ({
      name,
      ...(isDefault ? { default: true } : {}),
      description,
      base,
      platform,
      location: location([range]),
    })),
    sources: [base64(source.text)],
  });
}
