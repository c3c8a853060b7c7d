import type { OutputRequest } from "./api.ts";
import { pushes } from "./deliver.ts";
import type { Session } from "./session.ts";

/** A build that finds everything in the cache is over by then. */
const SOON_MS = 40;

/**
 * Loads what a push needs while the first steps run and this thread has nothing to do: loaded afterwards, it is a tenth of a second that
 * the build takes longer. Returns what calls that off.
 */
export function loadAhead(session: Session, outputs: readonly OutputRequest[]): () => void {
  if (!outputs.some(pushes)) return () => undefined;
  // A client that cannot be had is told of by the push, which asks for the same one.
  const timer = setTimeout(() => session.registry().catch(() => undefined), SOON_MS);
  return () => clearTimeout(timer);
}
