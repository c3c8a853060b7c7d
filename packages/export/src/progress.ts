import type { TarPiece } from "@tsbuild/oci";
import type { ExportProgress } from "./types.ts";

/** Passes a stream on and tells how far it is; ends it when the build is cancelled. */
export async function* told<Piece extends TarPiece>(
  stream: AsyncIterable<Piece>,
  id: string,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly onProgress?: ExportProgress | undefined;
  },
): AsyncGenerator<Piece> {
  let current = 0;
  for await (const piece of stream) {
    options.signal?.throwIfAborted();
    current += piece.length;
    options.onProgress?.({ id, current });
    yield piece;
  }
  options.onProgress?.({ id, current, total: current, done: true });
}
