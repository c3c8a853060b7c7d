/** Text without percent escapes; undefined when they are malformed, which the standard functions throw at. */
export function decodePercent(text: string): string | undefined {
  if (!text.includes("%")) return text;
  const bytes: number[] = [];
  const malformed = /%(?![0-9a-fA-F]{2})/.test(text);
  if (malformed) return undefined;
  for (const [piece] of text.matchAll(/%[0-9a-fA-F]{2}|[^%]+/g)) {
    if (piece.startsWith("%")) bytes.push(Number.parseInt(piece.slice(1), 16));
    else bytes.push(...Buffer.from(piece));
  }
  return Buffer.from(bytes).toString();
}
