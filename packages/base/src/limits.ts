/** Bounds on input that tsbuild has not made itself, so that a hostile file ends in an error and not in a dead machine. */
export const limits = {
  /** Bytes of a Dockerfile. */
  dockerfileBytes: 16 * 1024 * 1024,
  /** Bytes of all that a Dockerfile comes to, variables filled in: environments of its steps, history, names. */
  compiledBytes: 64 * 1024 * 1024,
  /** Bytes of a path that Linux takes (PATH_MAX, with its final zero). */
  pathBytes: 4096,
  /** Bytes of a manifest, index or image config. */
  manifestBytes: 8 * 1024 * 1024,
  /** Layers of one image. */
  layers: 1000,
  /** Bytes of /etc/passwd or /etc/group read from a root filesystem. */
  passwdBytes: 10 * 1024 * 1024,
  /** Bytes of one tar header's extended attributes. */
  paxBytes: 1024 * 1024,
  /** Decompressed data may always be this long … */
  unpackedFreeBytes: 2 * 1024 * 1024 * 1024,
  /** … and beyond that so many times what it was decompressed from: gzip never gives more, zstd and xz a thousand times that. */
  unpackedRatio: 1100,
  /** Bytes of a secret. */
  secretBytes: 500 * 1024,
} as const;
