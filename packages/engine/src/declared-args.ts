const ARG_LINE = /^[ \t]*(?:ONBUILD[ \t]+)?ARG[ \t]+(.*)$/gim;
const NAME = /(?:^|\s)([A-Za-z_][A-Za-z0-9_]*)/g;

/**
 * Whether a Dockerfile declares a name by ARG, as far as its text tells line by line: for wording ("ARG REV 1 → 2"), so that a graph that
 * is remembered from an earlier build need not be compiled again.
 */
export function declaredArgs(text: string): (name: string) => boolean {
  let names: ReadonlySet<string> | undefined;
  return (name) => {
    names ??= new Set(
      [...text.matchAll(ARG_LINE)].flatMap(([, rest = ""]) =>
        [...rest.matchAll(NAME)].map(([, arg = ""]) => arg),
      ),
    );
    return names.has(name);
  };
}
