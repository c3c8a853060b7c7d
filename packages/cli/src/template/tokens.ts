import { TsbuildError } from "@tsbuild/base";

export type TemplatePart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "action"; readonly action: string };

/** An action may hold texts with braces in them. */
const ACTION = /\{\{(-\s)?((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|(?!\}\})[^"`])*?)(\s-)?\}\}/g;

/** Text and actions in turn; `{{-` and `-}}` take the white space beside them away, comments are dropped. */
export function splitActions(text: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let at = 0;
  let trimStart = false;
  const addText = (end: number, trimEnd: boolean): void => {
    const raw = text.slice(at, end);
    if (raw.includes("{{")) throw new TsbuildError("TSB_USAGE", "--format: {{ without }}");
    const left = trimStart ? raw.trimStart() : raw;
    const trimmed = trimEnd ? left.trimEnd() : left;
    if (trimmed !== "") parts.push({ type: "text", text: trimmed });
  };
  for (const match of text.matchAll(ACTION)) {
    addText(match.index, match[1] !== undefined);
    const action = (match[2] ?? "").trim();
    if (!/^\/\*.*\*\/$/s.test(action)) parts.push({ type: "action", action });
    trimStart = match[3] !== undefined;
    at = match.index + match[0].length;
  }
  addText(text.length, false);
  return parts;
}

const TOKEN =
  /\s*("(?:[^"\\]|\\.)*"|`[^`]*`|\$\w*(?:\.[\w-]+)*|\.[\w.-]*|-?\d+(?:\.\d+)?|[A-Za-z]\w*|[()|])/y;

/** Undefined: there is something in it that is none. */
export function tokensOf(text: string): string[] | undefined {
  const tokens: string[] = [];
  let end = 0;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    tokens.push(match[1] ?? "");
    end = TOKEN.lastIndex;
  }
  return text.slice(end).trim() === "" ? tokens : undefined;
}
