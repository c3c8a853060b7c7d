/** Paths at which two JSON values differ, with both values; at most `limit`. Absent and undefined are the same. */
export function differences(expected: unknown, got: unknown, path = "$", limit = 5): string[] {
  if (Object.is(expected, got)) return [];
  if (!isContainer(expected) || !isContainer(got) || Array.isArray(expected) !== Array.isArray(got))
    return [`${path}: expected ${show(expected)}, got ${show(got)}`];
  const found: string[] = [];
  for (const key of new Set([...Object.keys(expected), ...Object.keys(got)])) {
    if (found.length >= limit) break;
    const at = Array.isArray(expected) ? `${path}[${key}]` : `${path}.${key}`;
    found.push(...differences(expected[key], got[key], at, limit - found.length));
  }
  return found;
}

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
