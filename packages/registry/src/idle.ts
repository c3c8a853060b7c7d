import { Readable } from "node:stream";
import { LENT_TO_READABLE, lent } from "@tsbuild/oci";

class IdleError extends Error {
  readonly code = "UND_ERR_IDLE";
  constructor(idleMs: number) {
    super(`the server took no bytes for ${Math.round(idleMs / 1000)} s`);
  }
}

interface Guarded {
  readonly body: Uint8Array | Readable;
  readonly signal: AbortSignal | undefined;
  end(): void;
}

/**
 * A request body whose reader must not fall silent: undici's own timers wait while a body is sent. The signal aborts with a transient
 * error once nothing was taken for `idleMs`. It is done with a chunk of the body when it asks for the next.
 */
export function idleGuarded(
  body: Uint8Array | AsyncIterable<Uint8Array>,
  idleMs: number,
  signal: AbortSignal | undefined,
): Guarded {
  if (body instanceof Uint8Array) return { body, signal, end: () => undefined };
  const idle = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  async function* watched(): AsyncGenerator<Uint8Array> {
    // Not before: a request may wait for a connection for as long as other transfers take.
    timer = setTimeout(() => idle.abort(new IdleError(idleMs)), idleMs);
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      timer.refresh();
      yield chunk;
    }
    clearTimeout(timer);
  }
  return {
    body: Readable.from(lent(watched()), LENT_TO_READABLE),
    signal: signal === undefined ? idle.signal : AbortSignal.any([signal, idle.signal]),
    end: () => clearTimeout(timer),
  };
}
