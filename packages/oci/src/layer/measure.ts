import { createHash } from "node:crypto";
import { type DiffId, type Digest, TsbuildError } from "@tsbuild/base";

export interface PackedLayer {
  readonly diffId: DiffId;
  /** Of the uncompressed tar. */
  readonly sizeBytes: number;
  /** Of what the folder looked like (`NativeFs.walk`): as long as that is so, the tar is the same. */
  readonly tree?: Digest | undefined;
}

/** Passes a layer tar on while taking its diff ID; `result` is there once the stream has ended. */
export function measureLayer(stream: AsyncIterable<Uint8Array>): {
  readonly stream: AsyncGenerator<Uint8Array>;
  result(): PackedLayer;
} {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  let packed: PackedLayer | undefined;
  const measured = async function* () {
    for await (const chunk of stream) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
    packed = { diffId: `sha256:${hash.digest("hex")}` as DiffId, sizeBytes };
  };
  const result = () => {
    if (packed === undefined) throw new TsbuildError("TSB_INTEGRITY", "the layer was not read to its end");
    return packed;
  };
  return { stream: measured(), result };
}
