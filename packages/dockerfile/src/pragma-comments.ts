const COMMENT = /^\s*tsbuild:\s*(.*)$/i;
/** Not about the step but about where its files come from. */
export const EXPAND_FROM = "expand-from";

/** What `# tsbuild: …` comments above an instruction ask for, one text each: `no-cache`, `ttl=24h` (W028). */
export function pragmaTexts(comments: readonly string[]): string[] {
  const texts = comments.flatMap((comment) => COMMENT.exec(comment)?.[1]?.split(/[,|]/) ?? []);
  return texts.map((text) => text.trim()).filter((text) => text !== "");
}

/** `# tsbuild: expand-from`: variables in `--from` and in a mount's `from` are those of the ARGs before the first FROM (W035). */
export function expandsFrom(comments: readonly string[]): boolean {
  return pragmaTexts(comments).includes(EXPAND_FROM);
}
