import type { BuildEvent } from "@tsbuild/base";
import type { LargeContext } from "@tsbuild/ops";

/** Says what is large in a context that was read for a step, once for each context (W007). */
export function largeContextWarnings(emit: (event: BuildEvent) => void): (large: LargeContext) => void {
  const told = new Set<string>();
  return (large) => {
    if (told.has(large.context.name)) return;
    told.add(large.context.name);
    emit({ type: "warning", at: Date.now(), rule: "large-context", message: describe(large) });
  };
}

function describe({ context, entries, bytes, top }: LargeContext): string {
  // Leaving out what is small changes nothing.
  const parts = top
    .filter((part) => isShare(part.bytes, bytes) || isShare(part.entries, entries))
    .map((part) => `${part.path} (${amount(part)})`);
  const largest = parts.length === 0 ? "" : `; the largest: ${parts.join(", ")}`;
  const where = context.shown ?? context.folder;
  return `a step reads ${amount({ entries, bytes })} of ${where}${largest}. What it does not need can be left out: name it in .dockerignore (tsbuild context ls shows what counts)`;
}

const isShare = (part: number, whole: number): boolean => part * 20 >= whole;

function amount({ entries, bytes }: { readonly entries: number; readonly bytes: number }): string {
  const size = `${Math.ceil(bytes / 1_000_000)} MB`;
  return entries === 1 ? size : `${size} in ${entries} entries`;
}
