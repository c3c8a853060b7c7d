import type { Duplex, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errnoCode, TsbuildError } from "@tsbuild/base";

/** zlib's own complaints (Z_DATA_ERROR, ERR_ZSTD…) are about the data; others come from the source. */
function isAboutData(error: unknown): error is Error {
  return error instanceof Error && /^(Z_|ZSTD_|ERR_Z)/.test(errnoCode(error) ?? "");
}

/** What `source` becomes in `through`; errors of either end the stream, and nothing is left open. */
export async function* pipeThrough(source: Readable, through: Duplex, name: string): AsyncGenerator<Buffer> {
  const piping = pipeline(source, through);
  piping.catch(() => undefined);
  try {
    for await (const chunk of through) yield chunk as Buffer;
    await piping;
  } catch (error) {
    if (!isAboutData(error)) throw error;
    throw new TsbuildError("TSB_INTEGRITY", `the ${name} data is damaged: ${error.message}`, {
      cause: error,
    });
  } finally {
    through.destroy();
    source.destroy();
  }
}
