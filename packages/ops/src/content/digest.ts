const S_IFMT = 0o170000;
const S_IFREG = 0o100000;

export function isRegular(entry: { readonly mode: number }): boolean {
  return (entry.mode & S_IFMT) === S_IFREG;
}

/** Attributes that belong to the content of a file: what users set, and file capabilities (V015). */
export function isContentXattr(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}
