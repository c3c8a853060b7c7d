import { type Digest, type SnapshotId, TsbuildError } from "@tsbuild/base";
import type { BlobStore, ImageRecord, ImageStore, ImageVariant, IndexRecord, SnapshotStore } from "./api.ts";
import { snapshotId } from "./snapshots.ts";
import type { StoreState } from "./state.ts";

interface VariantRow {
  readonly name: string;
  readonly manifest: string;
  readonly config: string;
  readonly unpacked: number;
  readonly snapshot: number | null;
}

interface ImageRow extends VariantRow {
  readonly origin: ImageRecord["origin"];
  readonly created_at: number;
}

const PUT = `
INSERT OR REPLACE INTO images(name, manifest, config, unpacked, snapshot, origin, created_at)
VALUES(?, ?, ?, ?, ?, ?, ?)`;

const BY_INDEX = `
SELECT images.* FROM images JOIN image_indexes USING(name)
WHERE image_indexes.digest=? ORDER BY created_at DESC LIMIT 1`;

const PUT_VARIANT = `
INSERT INTO image_variants(name, position, manifest, config, unpacked, snapshot) VALUES(?, ?, ?, ?, ?, ?)`;

/** Names for images. What a name stands for is kept from collection. */
export class SqliteImageStore implements ImageStore {
  readonly #state: StoreState;
  readonly #blobs: BlobStore;
  readonly #snapshots: SnapshotStore;

  constructor(state: StoreState, blobs: BlobStore, snapshots: SnapshotStore) {
    this.#state = state;
    this.#blobs = blobs;
    this.#snapshots = snapshots;
  }

  put(image: Omit<ImageRecord, "createdAt">): void {
    // Naming the same image again is what a build without changes does: then nothing is written, and it stays as old as it is.
    const known = this.get(image.name);
    if (known !== undefined && isSame(known, image)) return;
    this.#state.database.transaction(() => {
      this.#checkParts(image);
      this.#state.database.run(
        PUT,
        image.name,
        image.manifest,
        image.config,
        image.snapshot === undefined ? 0 : 1,
        image.snapshot ?? null,
        image.origin,
        Date.now(),
      );
      this.#forgetIndex(image.name);
      if (image.index !== undefined) this.#putIndex(image.name, image.index);
    });
  }

  #forgetIndex(name: string): void {
    for (const table of ["image_indexes", "image_variants"])
      this.#state.database.run(`DELETE FROM ${table} WHERE name=?`, name);
  }

  #putIndex(name: string, { digest, variants }: IndexRecord): void {
    const { database } = this.#state;
    this.#blobs.path(digest);
    database.run("INSERT INTO image_indexes(name, digest) VALUES(?, ?)", name, digest);
    for (const [position, variant] of variants.entries()) {
      const { manifest, config, snapshot } = variant;
      this.#checkParts({ name, ...variant });
      const unpacked = snapshot === undefined ? 0 : 1;
      database.run(PUT_VARIANT, name, position, manifest, config, unpacked, snapshot ?? null);
    }
  }

  get(name: string): ImageRecord | undefined {
    return this.#one("SELECT * FROM images WHERE name=?", name);
  }

  byDigest(digest: Digest): ImageRecord | undefined {
    return (
      this.#one("SELECT * FROM images WHERE manifest=? ORDER BY created_at DESC LIMIT 1", digest) ??
      this.#one(BY_INDEX, digest) ??
      this.#variant(digest)
    );
  }

  list(): readonly ImageRecord[] {
    return this.#state.database
      .all<ImageRow>("SELECT * FROM images ORDER BY name")
      .map((row) => this.#recordOf(row));
  }

  remove(name: string): boolean {
    const { database } = this.#state;
    return database.transaction(() => {
      this.#forgetIndex(name);
      return database.run("DELETE FROM images WHERE name=?", name).changes > 0;
    });
  }

  #one(sql: string, value: string): ImageRecord | undefined {
    const row = this.#state.database.get<ImageRow>(sql, value);
    return row === undefined ? undefined : this.#recordOf(row);
  }

  /** An image that is here only as one of an index. */
  #variant(digest: Digest): ImageRecord | undefined {
    const sql = "SELECT name FROM image_variants WHERE manifest=? LIMIT 1";
    const name = this.#state.database.get<{ name: string }>(sql, digest)?.name;
    const record = name === undefined ? undefined : this.get(name);
    const variant = record?.index?.variants.find(({ manifest }) => manifest === digest);
    return record === undefined || variant === undefined ? undefined : { ...record, ...variant };
  }

  #recordOf(row: ImageRow): ImageRecord {
    const sql = "SELECT digest FROM image_indexes WHERE name=?";
    const digest = this.#state.database.get<{ digest: string }>(sql, row.name)?.digest;
    const index = digest === undefined ? undefined : this.#indexOf(row.name, digest as Digest);
    const { name, origin, created_at: createdAt } = row;
    return { name, ...variantOf(row), origin, createdAt, ...(index === undefined ? {} : { index }) };
  }

  #indexOf(name: string, digest: Digest): IndexRecord {
    const rows = this.#state.database.all<VariantRow>(
      "SELECT * FROM image_variants WHERE name=? ORDER BY position",
      name,
    );
    return { digest, variants: rows.map(variantOf) };
  }

  /** An image must never name what is not there: what it names is checked in the transaction that keeps it from then on. */
  #checkParts(image: Pick<ImageRecord, "name" | keyof ImageVariant>): void {
    for (const digest of [image.manifest, image.config]) this.#blobs.path(digest);
    if (image.snapshot == null || this.#snapshots.exists(image.snapshot)) return;
    throw new TsbuildError(
      "TSB_STORE",
      `the snapshot ${image.snapshot} of ${image.name} is not in the state folder`,
    );
  }
}

function isSame(known: ImageRecord, image: Omit<ImageRecord, "createdAt">): boolean {
  return (
    known.origin === image.origin && isSameVariant(known, image) && isSameIndex(known.index, image.index)
  );
}

function isSameVariant(known: ImageVariant, image: ImageVariant): boolean {
  return (
    known.manifest === image.manifest && known.config === image.config && known.snapshot === image.snapshot
  );
}

function isSameIndex(known: IndexRecord | undefined, index: IndexRecord | undefined): boolean {
  if (known === undefined || index === undefined) return known === index;
  // The digest says what the variants are, but not in which snapshots they are.
  return (
    known.digest === index.digest &&
    known.variants.length === index.variants.length &&
    known.variants.every((variant, at) => isSameVariant(variant, index.variants[at] ?? variant))
  );
}

function variantOf(row: VariantRow): ImageVariant {
  return {
    manifest: row.manifest as Digest,
    config: row.config as Digest,
    snapshot: unpackedOf(row),
  };
}

function unpackedOf(row: VariantRow): SnapshotId | null | undefined {
  if (row.unpacked === 0) return undefined;
  return row.snapshot === null ? null : snapshotId(row.snapshot);
}
