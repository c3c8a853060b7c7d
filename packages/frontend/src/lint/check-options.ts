import { mistake } from "../failure.ts";

/** What a `check` directive asks for (D015). */
export interface CheckOptions {
  readonly skipAll: boolean;
  readonly skip: ReadonlySet<string>;
  readonly experimentalAll: boolean;
  readonly experimental: ReadonlySet<string>;
  /** Any warning fails the build. */
  readonly fail: boolean;
}

export const NO_OPTIONS: CheckOptions = {
  skipAll: false,
  skip: new Set(),
  experimentalAll: false,
  experimental: new Set(),
  fail: false,
};

const HINT = "write it as skip=RULE,RULE;error=true, or skip=all";

function readFlag(value: string, part: string): boolean {
  if (/^(?:1|t|true)$/i.test(value)) return true;
  if (/^(?:0|f|false)$/i.test(value)) return false;
  throw mistake(`the check option ${JSON.stringify(part)} is neither true nor false`, HINT);
}

function names(value: string): Set<string> {
  return new Set(value.split(",").map((name) => name.trim()));
}

/** Reads `skip=…;error=…;experimental=…`. Throws TSB_DOCKERFILE (without a place). */
export function parseCheckOptions(text: string): CheckOptions {
  let options = NO_OPTIONS;
  for (const part of text.split(";").filter((piece) => piece.trim() !== "")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(equals, 0)).trim();
    const value = part.slice(equals + 1).trim();
    const all = value === "all";
    if (key === "skip") options = { ...options, skipAll: all, skip: all ? new Set() : names(value) };
    else if (key === "experimental")
      options = { ...options, experimentalAll: all, experimental: all ? new Set() : names(value) };
    else if (key === "error") options = { ...options, fail: readFlag(value, part) };
    else throw mistake(`there is no check option ${JSON.stringify(part)}`, HINT);
  }
  return options;
}

const INLINE = /^\s*check\s*=\s*(\S+)/i;

/** Options of a comment above one instruction (D016); a malformed comment is a comment. */
export function inlineOptions(comments: readonly string[]): CheckOptions | undefined {
  for (const comment of comments) {
    const value = INLINE.exec(comment)?.[1];
    if (value === undefined) continue;
    return /^(?:(?:skip|experimental|error)=[^;]*(?:;|$))+$/.test(value)
      ? parseCheckOptions(value)
      : undefined;
  }
  return undefined;
}
