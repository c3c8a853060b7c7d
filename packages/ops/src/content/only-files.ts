import type { OpenOptions } from "@tsbuild/store";
import { cleanPath, WILDCARD } from "./locate.ts";
import type { Selector } from "./selector.ts";

/**
 * How a tree is opened of which nothing is looked at but what selectors name: where that is files, no more than those (see `OpenOptions.only`). Told
 * by the text alone, so a selector may yet turn out to name something else.
 */
export function onlyFiles(selectors: readonly Selector[]): OpenOptions["only"] {
  const isLiteral = ({ path, wildcard, required = [] }: Selector): boolean =>
    required.length === 0 && !(wildcard && WILDCARD.test(path));
  if (selectors.length === 0 || !selectors.every(isLiteral)) return undefined;
  return { paths: selectors.map(({ path }) => cleanPath(path)), kind: "file" };
}
