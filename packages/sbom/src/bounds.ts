/** How much of a stranger's files is read. What is larger is left out and noted, never read in part. */
export const bounds = {
  /** A package database of the system: Debian's status of 10,000 packages is 15 MiB. */
  databaseBytes: 128 * 1024 * 1024,
  /** rpmdb.sqlite, which is copied and not held in memory. */
  databaseFileBytes: 1024 * 1024 * 1024,
  /** The header of one rpm. */
  rpmHeaderBytes: 32 * 1024 * 1024,
  /** One package.json, METADATA, PKG-INFO or copyright. */
  metadataBytes: 4 * 1024 * 1024,
  /** The list of modules in a Go program. */
  goModulesBytes: 16 * 1024 * 1024,
  /** The list of crates in a program of Rust, as it is packed and unpacked. */
  crateListBytes: 8 * 1024 * 1024,
  crateListUnpackedBytes: 64 * 1024 * 1024,
  /** Sections or segments of a program. */
  elfParts: 65_536,
  /** Packages of one root, all kinds together: the largest public images have some 20,000. */
  packages: 500_000,
  /** Characters of a name, version, licence … */
  textLength: 2048,
  notes: 100,
} as const;
