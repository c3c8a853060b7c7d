import { createHash } from "node:crypto";

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** Content digest in the OCI form `sha256:<64 hex>`: what bytes hash to. */
export type Digest = Brand<string, "Digest">;
/** Digest of an uncompressed layer tar (image-spec, config.md "rootfs.diff_ids"). */
export type DiffId = Brand<string, "DiffId">;
/** Digest of a stack of layers (image-spec, config.md "Layer ChainID"). */
export type ChainId = Brand<string, "ChainId">;
/** Digest of a marshalled LLB op: names a vertex of a graph. */
export type VertexDigest = Brand<string, "VertexDigest">;
/** Row id of a snapshot in the store; only meaningful within one state folder. */
export type SnapshotId = Brand<string, "SnapshotId">;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True for a well-formed sha256 digest; the only algorithm that tsbuild writes. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Parses a digest that came from outside; throws on anything but `sha256:<64 hex>`. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text)) throw new TypeError(`not a sha256 digest: ${JSON.stringify(text)}`);
  return text;
}

/** The 64 hex digits of a digest, as file names use them. */
export function digestHex(digest: Digest | DiffId | ChainId | VertexDigest): string {
  return digest.slice("sha256:".length);
}

/** sha256 of bytes or UTF-8 text. */
export function sha256(data: string | Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(data).digest("hex")}` as Digest;
}

/**
 * sha256 over fields, each prefixed with its length, so that no two different lists of fields have the same
 * bytes: joined strings collide ("a","bc" and "ab","c"). `null` and `""` differ.
 */
export function sha256Fields(fields: readonly (string | Uint8Array | null)[]): Digest {
  const hash = createHash("sha256");
  for (const field of fields) {
    if (field === null) {
      hash.update("-;");
      continue;
    }
    const size = typeof field === "string" ? Buffer.byteLength(field) : field.length;
    hash.update(`${size}:`).update(field);
  }
  return `sha256:${hash.digest("hex")}` as Digest;
}

/** Chain ID of a stack of diff IDs, bottom first (image-spec: ChainID(L0..Ln) = H(ChainID(L0..Ln-1) + " " + Ln)). */
export function chainId(diffIds: readonly DiffId[]): ChainId | undefined {
  let chain: string | undefined;
  for (const diffId of diffIds) chain = chain === undefined ? diffId : sha256(`${chain} ${diffId}`);
  return chain as ChainId | undefined;
}
