export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

const MAGICS: readonly { readonly compression: Compression; readonly bytes: readonly number[] }[] = [
  { compression: "gzip", bytes: [0x1f, 0x8b, 0x08] },
  { compression: "bzip2", bytes: [0x42, 0x5a, 0x68] },
  { compression: "xz", bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { compression: "zstd", bytes: [0x28, 0xb5, 0x2f, 0xfd] },
];

/** Bytes that `sniffCompression` looks at. */
export const SNIFF_BYTES = 6;

/** A zstd stream may begin with a skippable frame (RFC 8878, 3.1.2): 0x184D2A50 to 5F, little endian. */
function isSkippableFrame(head: Uint8Array): boolean {
  const first = head[0] ?? 0;
  return first >= 0x50 && first <= 0x5f && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
}

/** How a stream is compressed, by its first bytes: names and media types lie (D110). */
export function sniffCompression(head: Uint8Array): Compression {
  if (isSkippableFrame(head)) return "zstd";
  const found = MAGICS.find(({ bytes }) => bytes.every((byte, index) => head[index] === byte));
  return found?.compression ?? "none";
}
