import { type Digest, type SnapshotId, TsbuildError } from "@tsbuild/base";
import type { BlobStore, ImageRecord, ImageStore, SnapshotStore } from "./api.ts";
import { snapshotId } from "./snapshots.ts";
import type { StoreState } from "./state.ts";

interface ImageRow {
  readonly name: string;
  readonly manifest: string;
  readonly config: string;
  readonly unpacked: number;
  readonly snapshot: number | null;
  readonly origin: ImageRecord["origin"];
  readonly created_at: number;
}

const PUT = `
INSERT OR REPLACE INTO images(name, manifest, config, unpacked, snapshot, origin, created_at)
VALUES(?, ?, ?, ?, ?, ?, ?)`;

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
    });
  }

  get(name: string): ImageRecord | undefined {
    return this.#one("SELECT * FROM images WHERE name=?", name);
  }

  byDigest(digest: Digest): ImageRecord | undefined {
    return this.#one("SELECT * FROM images WHERE manifest=? ORDER BY created_at DESC LIMIT 1", digest);
  }

  list(): readonly ImageRecord[] {
    return this.#state.database.all<ImageRow>("SELECT * FROM images ORDER BY name").map(recordOf);
  }

  remove(name: string): boolean {
    const { database } = this.#state;
    return database.transaction(() => database.run("DELETE FROM images WHERE name=?", name).changes > 0);
  }

  #one(sql: string, value: string): ImageRecord | undefined {
    const row = this.#state.database.get<ImageRow>(sql, value);
    return row === undefined ? undefined : recordOf(row);
  }

  /** An image must never name what is not there: what it names is checked in the transaction that keeps it from then on. */
  #checkParts(image: Omit<ImageRecord, "createdAt">): void {
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
    known.manifest === image.manifest &&
    known.config === image.config &&
    known.snapshot === image.snapshot &&
    known.origin === image.origin
  );
}

function recordOf(row: ImageRow): ImageRecord {
  return {
    name: row.name,
    manifest: row.manifest as Digest,
    config: row.config as Digest,
    snapshot: unpackedOf(row),
    origin: row.origin,
    createdAt: row.created_at,
  };
}

function unpackedOf(row: ImageRow): SnapshotId | null | undefined {
  if (row.unpacked === 0) return undefined;
  return row.snapshot === null ? null : snapshotId(row.snapshot);
}
