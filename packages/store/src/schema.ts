import { TsbuildError } from "@tsbuild/base";

/** `PRAGMA user_version` of databases that this code reads and writes. */
export const SCHEMA_VERSION = 5;

/**
 * | table         | row                                                                                              |
 * |---------------|--------------------------------------------------------------------------------------------------|
 * | layers        | a folder of one overlay layer. Ids are never used again (AUTOINCREMENT): they name folders         |
 * | snapshots     | a parent and a layer. `lease` is set while active (being written), null once committed             |
 * | compressed    | a blob that holds a layer (by diff ID) in a compression variant                                    |
 * | images        | a name. `unpacked` 0: no snapshot known; 1: `snapshot`, null when the image has no layers          |
 * | image_indexes | the index that a name stands for; its row in `images` is then the image for this machine           |
 * | image_variants| an image of such an index, in the index's order                                                    |
 * | cache_keys    | a cache key of the solver, so that links need only integers                                        |
 * | cache_links   | an edge of the key graph; row ids give the order in which they were made                          |
 * | cache_records | key to result. `result` is `snapshot:ID` or `scratch`; `fields` is JSON                            |
 * | memo          | small remembered values; `seq` grows with every write                                              |
 * | cache_mounts  | a folder of a cache mount; several of one name after private use; `retired`: replaced, to remove   |
 * | removals      | layer and cache-mount folders without a row any more, still to be moved away                       |
 * | needs         | what the last builds of a project looked up or made: `results` is a JSON list. See needs.ts        |
 * | evicted       | what was known of a record that collection removed, so that a later miss can say so                |
 *
 * What leases hold besides active snapshots is not here but in files (leases.ts): it needs no durability.
 * Blobs have no rows: the file is the truth.
 */
const TABLES = `
CREATE TABLE layers(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  diff_id TEXT,
  size_bytes INTEGER
);
CREATE TABLE snapshots(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER REFERENCES snapshots(id),
  layer INTEGER NOT NULL REFERENCES layers(id),
  depth INTEGER NOT NULL,
  chain_id TEXT,
  lease TEXT,
  created_at INTEGER NOT NULL
);
CREATE INDEX snapshots_parent ON snapshots(parent);
CREATE INDEX snapshots_layer ON snapshots(layer, parent);
CREATE INDEX snapshots_chain ON snapshots(chain_id) WHERE chain_id IS NOT NULL;
CREATE INDEX snapshots_lease ON snapshots(lease) WHERE lease IS NOT NULL;

CREATE TABLE compressed(
  diff_id TEXT NOT NULL,
  variant TEXT NOT NULL,
  blob TEXT NOT NULL,
  descriptor TEXT NOT NULL,
  PRIMARY KEY(diff_id, variant)
) WITHOUT ROWID;
CREATE INDEX layers_diff ON layers(diff_id) WHERE diff_id IS NOT NULL;

CREATE TABLE images(
  name TEXT PRIMARY KEY,
  manifest TEXT NOT NULL,
  config TEXT NOT NULL,
  unpacked INTEGER NOT NULL,
  snapshot INTEGER REFERENCES snapshots(id),
  origin TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX images_manifest ON images(manifest);
CREATE INDEX images_snapshot ON images(snapshot) WHERE snapshot IS NOT NULL;

CREATE TABLE cache_keys(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
);
CREATE TABLE cache_links(
  id INTEGER PRIMARY KEY,
  parent INTEGER NOT NULL REFERENCES cache_keys(id),
  op TEXT NOT NULL,
  output INTEGER NOT NULL,
  input INTEGER NOT NULL,
  selector TEXT NOT NULL,
  child INTEGER NOT NULL REFERENCES cache_keys(id),
  UNIQUE(parent, op, output, input, selector, child)
);
CREATE INDEX cache_links_child ON cache_links(child);
CREATE TABLE cache_records(
  id INTEGER PRIMARY KEY,
  key INTEGER NOT NULL REFERENCES cache_keys(id),
  result TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  duration_ms REAL NOT NULL,
  description TEXT NOT NULL,
  fields TEXT NOT NULL,
  UNIQUE(key, result)
);
CREATE INDEX cache_records_result ON cache_records(result);
CREATE INDEX cache_records_description ON cache_records(description, created_at);

CREATE TABLE memo(
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  seq INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(kind, key)
);
CREATE INDEX memo_seq ON memo(kind, seq);

CREATE TABLE cache_mounts(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  seeded INTEGER NOT NULL,
  retired INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL
);
CREATE INDEX cache_mounts_name ON cache_mounts(name);

CREATE TABLE removals(folder TEXT PRIMARY KEY) WITHOUT ROWID;
`;

/**
 * What version 2 added. `layers.disk_bytes`: bytes that the folder takes on disk, once measured. `cache_records.uses`: counted as coarsely
 * as `last_used_at`.
 */
const VERSION_2 = `
ALTER TABLE layers ADD COLUMN disk_bytes INTEGER;
ALTER TABLE cache_records ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
CREATE TABLE needs(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT NOT NULL,
  built_at INTEGER NOT NULL,
  results TEXT NOT NULL
);
CREATE INDEX needs_project ON needs(project, id);
CREATE TABLE evicted(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  description TEXT NOT NULL,
  key TEXT NOT NULL,
  result TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  duration_ms REAL NOT NULL,
  fields TEXT NOT NULL,
  evicted_at INTEGER NOT NULL,
  evicted_by TEXT NOT NULL
);
CREATE INDEX evicted_description ON evicted(description, created_at);
CREATE INDEX evicted_key ON evicted(key);
`;

/**
 * What version 3 added. `layers.unsynced`: the boot id of the kernel that may have parts of the layer in memory only (durability.ts).
 * `layers.linked`: 1 when it shares files with another layer that is 1, by hard link.
 */
const VERSION_3 = `
ALTER TABLE layers ADD COLUMN unsynced TEXT;
CREATE INDEX layers_unsynced ON layers(unsynced) WHERE unsynced IS NOT NULL;
ALTER TABLE layers ADD COLUMN linked INTEGER NOT NULL DEFAULT 0;
`;

/** What version 4 added: names of indexes. */
const VERSION_4 = `
CREATE TABLE image_indexes(
  name TEXT PRIMARY KEY,
  digest TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX image_indexes_digest ON image_indexes(digest);
CREATE TABLE image_variants(
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  manifest TEXT NOT NULL,
  config TEXT NOT NULL,
  unpacked INTEGER NOT NULL,
  snapshot INTEGER REFERENCES snapshots(id),
  PRIMARY KEY(name, position)
) WITHOUT ROWID;
CREATE INDEX image_variants_snapshot ON image_variants(snapshot) WHERE snapshot IS NOT NULL;
`;

/**
 * What version 5 added. `snapshots.patch`: 1 when its layer and that of its parent are one layer of an image. `snapshots.whole`: a snapshot on
 * the parent's parent that has both in one folder; it may be gone.
 */
const VERSION_5 = `
ALTER TABLE snapshots ADD COLUMN patch INTEGER NOT NULL DEFAULT 0;
ALTER TABLE snapshots ADD COLUMN whole INTEGER;
`;

/** In the open transaction: makes a database of an older version (0: an empty one) one of this version. */
export function migrateSchema(version: number, execute: (sql: string) => void): void {
  if (version < 1) execute(TABLES);
  if (version < 2) execute(VERSION_2);
  if (version < 3) execute(VERSION_3);
  if (version < 4) execute(VERSION_4);
  if (version < 5) execute(VERSION_5);
  execute(`PRAGMA user_version=${SCHEMA_VERSION}`);
}

export function unknownVersion(version: number, root: string): TsbuildError {
  return new TsbuildError(
    "TSB_STORE",
    `the state database in ${root} has version ${version}; this tsbuild knows version ${SCHEMA_VERSION}`,
    { hint: "use the tsbuild that made it, or another state folder with --root" },
  );
}
