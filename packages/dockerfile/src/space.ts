// Blanks as the Dockerfile language has them: White_Space of Unicode. JavaScript's `\s` and `trim()` differ in
// U+0085 (missing there) and U+FEFF (a blank only there).

/** For character classes: every blank, line feed included. */
export const SPACE_CLASS =
  "\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const IS_SPACE = new RegExp(`^[${SPACE_CLASS}]$`);
const FIRST_NON_SPACE = new RegExp(`[^${SPACE_CLASS}]`);

/** True for a UTF-16 unit that is a blank. */
export function isSpace(code: number): boolean {
  if (code < 0x80) return code === 32 || (code >= 9 && code <= 13);
  return IS_SPACE.test(String.fromCharCode(code));
}

/** Index of the first character that is no blank; the length when there is none. */
export function leadingSpace(text: string): number {
  const index = text.search(FIRST_NON_SPACE);
  return index === -1 ? text.length : index;
}

/** Without blanks at both ends. */
export function trimSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(Math.min(leadingSpace(text), end), end);
}
