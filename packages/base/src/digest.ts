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

/** sha256 of bytes, in hex. */
export type Sha256 = (bytes: Uint8Array) => string;

let sha256Hex: Sha256 = (bytes) => {
  // Loaded at the first digest: it takes 5 ms.
  const { hash } = process.getBuiltinModule("node:crypto");
  sha256Hex = (data) => hash("sha256", data, "hex");
  return sha256Hex(bytes);
};

/** From now on digests of this process are computed by `sha256`: for a program that has a way that it need not load. */
export function computeDigestsBy(sha256: Sha256): void {
  sha256Hex = sha256;
}

/** sha256 of bytes or UTF-8 text. */
export function sha256(data: string | Uint8Array): Digest {
  return `sha256:${sha256Hex(typeof data === "string" ? Buffer.from(data) : data)}` as Digest;
}

/**
 * sha256 over fields, each prefixed with its length, so that no two different lists of fields have the same
 * bytes: joined strings collide ("a","bc" and "ab","c"). `null` and `""` differ.
 */
export function sha256Fields(fields: readonly (string | Uint8Array | null)[]): Digest {
  const parts: (string | Uint8Array)[] = [];
  for (const field of fields) {
    if (field === null) {
      parts.push("-;");
      continue;
    }
    const size = typeof field === "string" ? Buffer.byteLength(field) : field.length;
    parts.push(`${size}:`, field);
  }
  return sha256(joined(parts));
}

/** Texts are encoded once and as one where all parts are: between two of a user's stands a length, so that no letter is made of halves. */
function joined(parts: readonly (string | Uint8Array)[]): string | Uint8Array {
  if (parts.every((part) => typeof part === "string")) return parts.join("");
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}

/** Chain ID of a stack of diff IDs, bottom first (image-spec: ChainID(L0..Ln) = H(ChainID(L0..Ln-1) + " " + Ln)). */
export function chainId(diffIds: readonly DiffId[]): ChainId | undefined {
  let chain: string | undefined;
  for (const diffId of diffIds) chain = chain === undefined ? diffId : sha256(`${chain} ${diffId}`);
  return chain as ChainId | undefined;
}
