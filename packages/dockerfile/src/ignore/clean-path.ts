/**
 * The shortest slash-separated path of the same meaning, by text alone, as Go's path.Clean makes it: no `//`, `.`,
 * inner `..` or slash at the end; `""` becomes `.`.
 */
export function cleanPath(path: string): string {
  const isRooted = path.startsWith("/");
  const kept: string[] = [];
  for (const element of path.split("/")) {
    if (element === "" || element === ".") continue;
    if (element !== "..") kept.push(element);
    else if (kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (!isRooted) kept.push("..");
  }
  const cleaned = kept.join("/");
  if (isRooted) return `/${cleaned}`;
  return cleaned === "" ? "." : cleaned;
}
