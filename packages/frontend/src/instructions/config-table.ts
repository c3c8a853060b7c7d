/**
 * Sets keys of a table of the image config, which is the stage's own: in place, as a file may have any number of
 * instructions that add to it. Keys are the user's words, `__proto__` among them.
 */
export function setKeys<T>(
  table: Record<string, T> | undefined,
  pairs: Iterable<readonly [string, T]>,
): Record<string, T> {
  const target = table ?? {};
  for (const [key, value] of pairs)
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  return target;
}
