import type { OpContext } from "@tsbuild/solver";

// More events than this per second tell nobody more.
const INTERVAL_MS = 100;

/** Passes bytes on and tells how many went by. */
export async function* withProgress(
  source: AsyncIterable<Uint8Array>,
  context: OpContext,
  what: { readonly id: string; readonly total: number | undefined },
): AsyncGenerator<Uint8Array> {
  let current = 0;
  let told = 0;
  const tell = (at: number, done: boolean): void => {
    context.emit({
      type: "status",
      at,
      vertex: context.vertex,
      id: what.id,
      current,
      total: what.total,
      unit: "bytes",
      done,
    });
  };
  for await (const chunk of source) {
    current += chunk.length;
    yield chunk;
    const now = Date.now();
    if (now - told < INTERVAL_MS) continue;
    told = now;
    tell(now, false);
  }
  tell(Date.now(), true);
}
