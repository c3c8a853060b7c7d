import type { Command } from "@tsbuild/dockerfile";
import type { OwnRule } from "./own-rule.ts";

const WITH_JSON_FORM: ReadonlySet<Command["kind"]> = new Set([
  "add",
  "cmd",
  "copy",
  "entrypoint",
  "healthcheck",
  "run",
  "volume",
]);

/** `["a` and `['a` are no shell text that anybody means; `[ "a" = b ]` is, `[ "a", "b" ]` is not. */
const MEANT_AS_JSON = /^\[(?:['"“”‘’]|\s+(?:'[^']*'|"[^"]*"|[“”‘’][^“”‘’]*[“”‘’])\s*,)/;

/** What follows the keyword, its flags and, of HEALTHCHECK, the word CMD. */
function argumentText({ kind, node }: Command): string {
  const text = node.original.slice(node.keyword.length).trimStart();
  const withoutFlags = text.replace(/^(?:--\S+\s+)+/, "");
  return kind === "healthcheck" ? withoutFlags.replace(/^CMD\s+/i, "") : withoutFlags;
}

/** FEATURES D019. */
export const jsonFormMistake: OwnRule = {
  name: "JsonFormMistake",
  severity: "warning",
  what: "Arguments that look like a JSON array and are none.",
  why: "Single quotes, typographic quotes, a missing comma or bracket: what is no valid JSON is silently read as a shell command or as plain words. The build goes on with a program named `[` and fails later, if at all.",
  bad: `FROM debian:bookworm
ENTRYPOINT ['/usr/bin/app', '--serve']
`,
  good: `FROM debian:bookworm
ENTRYPOINT ["/usr/bin/app", "--serve"]
`,
  check({ stages }, report) {
    for (const command of stages.flatMap(({ commands }) => commands)) {
      if (!WITH_JSON_FORM.has(command.kind) || isJson(command)) continue;
      if (MEANT_AS_JSON.test(argumentText(command)))
        report(command, `this is no JSON array, so ${command.name} reads it as plain text: write ["a", "b"]`);
    }
  },
};

function isJson({ kind, node, ...command }: Command): boolean {
  if (kind === "healthcheck" && "health" in command) return command.health.test[0] === "CMD";
  return node.form === "json";
}
