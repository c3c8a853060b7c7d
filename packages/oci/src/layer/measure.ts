import { createHash } from "node:crypto";
import { type DiffId, type Digest, TsbuildError } from "@tsbuild/base";
import type { PlainMembers } from "@tsbuild/native-fs";

export interface PackedLayer {
  readonly diffId: DiffId;
  /** Of the uncompressed tar. */
  readonly sizeBytes: number;
  /** Of what the folder looked like (`NativeFs.walk`): as long as that is so, the tar is the same. */
  readonly tree?: Digest | undefined;
}

/** Who makes members before anybody else sees them. */
export interface MemberMaker {
  readonly members: PlainMembers;
  /** Is told how many it has made. */
  readonly onMade: (count: number) => void;
}

/** An uncompressed layer tar. */
export interface LayerTar {
  readonly stream: AsyncIterable<Uint8Array>;
  /** Once the stream has ended. */
  result(): PackedLayer;
  /**
   * The chunk asked for next begins a member, or goes on with one of the maker's: it may have that and those that follow, as long as it takes them;
   * what is given then begins a member. Absent where nothing is gained by it.
   */
  offer?(maker: MemberMaker): void;
}

/** Passes a layer tar on while taking its diff ID. */
export function measureLayer(stream: AsyncIterable<Uint8Array>): LayerTar & {
  readonly stream: AsyncGenerator<Uint8Array>;
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
