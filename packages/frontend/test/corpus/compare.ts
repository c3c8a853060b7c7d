/** The first place where two JSON values differ, as `path: expected …, got …`; undefined when they are equal. */
export function firstDifference(expected: unknown, actual: unknown, path = ""): string | undefined {
  if (Array.isArray(expected) && Array.isArray(actual)) return arrayDifference(expected, actual, path);
  if (isRecord(expected) && isRecord(actual)) return recordDifference(expected, actual, path);
  if (Object.is(expected, actual)) return undefined;
  return `${path || "."}: expected ${show(expected)}, got ${show(actual)}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? "nothing").slice(0, 300);
}

function arrayDifference(expected: unknown[], actual: unknown[], path: string): string | undefined {
  for (const [index, value] of expected.entries()) {
    if (index >= actual.length) return `${path}[${index}]: expected ${show(value)}, got nothing`;
    const difference = firstDifference(value, actual[index], `${path}[${index}]`);
    if (difference !== undefined) return difference;
  }
  if (actual.length === expected.length) return undefined;
  return `${path}[${expected.length}]: expected nothing, got ${show(actual[expected.length])}`;
}

function recordDifference(
  expected: Record<string, unknown>,
  actual: Record<string, unknown>,
  path: string,
): string | undefined {
  for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)].sort())) {
    const difference = firstDifference(expected[key], actual[key], `${path}.${key}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}
