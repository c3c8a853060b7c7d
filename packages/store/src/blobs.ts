import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type DiffId, type Digest, errnoCode, sha256, TsbuildError } from "@tsbuild/base";
import type { Descriptor } from "@tsbuild/oci";
import type { BlobStore, WrittenBlob } from "./api.ts";
import { BlobWriter } from "./blob-writer.ts";
import { guarded, guardedAsync, storeFailure } from "./failure.ts";
import type { StoreState } from "./state.ts";

interface Expected {
  readonly digest: Digest;
  readonly size?: number | undefined;
}

/**
 * Blobs in files named by their digest. A file gets that name only whole, verified and fsynced, so its being there is all
 * there is to know. Whatever this object has once told to be there is held by the lease.
 */
export class FileBlobStore implements BlobStore {
  readonly #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  has(digest: Digest): boolean {
    return this.size(digest) !== undefined;
  }

  size(digest: Digest): number | undefined {
    const file = this.#state.layout.blob(digest);
    const size = sizeOf(file);
    if (size === undefined || this.#state.lease.holdsBlob(digest)) return size;
    // Collection runs in a transaction as well: what is there in this one stays once it is held.
    return this.#state.database.transaction(() => {
      const now = sizeOf(file);
      if (now !== undefined) this.#state.lease.holdBlob(digest);
      return now;
    });
  }

  path(digest: Digest): string {
    if (!this.has(digest)) throw this.#missing(digest);
    return this.#state.layout.blob(digest);
  }

  read(digest: Digest): Uint8Array {
    try {
      return readFileSync(this.#state.layout.blob(digest));
    } catch (error) {
      if (errnoCode(error) === "ENOENT") throw this.#missing(digest);
      throw storeFailure(error, `read the blob ${digest}`, this.#state.layout.root);
    }
  }

  write(bytes: Uint8Array): Digest {
    const digest = sha256(bytes);
    if (this.has(digest)) return digest;
    const temporary = this.#temporary();
    guarded(`write the blob ${digest}`, this.#state.layout.root, () => {
      try {
        writeFileSync(temporary, bytes, { flush: true, mode: 0o644 });
        this.#publish(temporary, digest);
        this.#syncFolderNow();
      } finally {
        rmSync(temporary, { force: true });
      }
    });
    return digest;
  }

  async writeAll(documents: readonly Uint8Array[]): Promise<void> {
    const { root } = this.#state.layout;
    const missing = new Map(documents.map((bytes) => [sha256(bytes), bytes] as const));
    for (const digest of missing.keys()) if (this.has(digest)) missing.delete(digest);
    if (missing.size === 0) return;
    const written = [...missing].map(([digest, bytes]) => ({ digest, bytes, file: this.#temporary() }));
    try {
      await guardedAsync("write blobs", root, async () => {
        const done = written.map(({ file, bytes }) => writeFile(file, bytes, { flush: true, mode: 0o644 }));
        // All of them: none may write on after the files were removed.
        for (const one of await Promise.allSettled(done)) if (one.status === "rejected") throw one.reason;
        for (const { digest, file } of written) this.#publish(file, digest);
        await this.#syncFolder();
      });
    } finally {
      for (const { file } of written) rmSync(file, { force: true });
    }
  }

  async ingest(
    source: AsyncIterable<Uint8Array>,
    expected?: Expected,
    onWritten?: (written: WrittenBlob) => void,
  ): Promise<{ readonly digest: Digest; readonly size: number }> {
    const present = expected === undefined ? undefined : this.size(expected.digest);
    if (expected !== undefined && present !== undefined) {
      await source[Symbol.asyncIterator]().return?.();
      return { digest: expected.digest, size: present };
    }
    const { root } = this.#state.layout;
    const temporary = this.#temporary();
    try {
      const onSize = (sizeBytes: number): void => onWritten?.({ file: temporary, sizeBytes });
      const onWhole = (digest: Digest, sizeBytes: number): void =>
        onWritten?.({ file: temporary, sizeBytes, digest });
      const written = await receive(source, { file: temporary, root, onSize, onWhole }, expected);
      guarded(`write the blob ${written.digest}`, root, () => this.#publish(temporary, written.digest));
      await guardedAsync("write a blob", root, () => this.#syncFolder());
      return written;
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  setCompressed(diffId: DiffId, variant: string, blob: Descriptor): void {
    this.#state.database.transaction(() => {
      this.#state.database.run(
        "INSERT OR REPLACE INTO compressed(diff_id, variant, blob, descriptor) VALUES(?, ?, ?, ?)",
        diffId,
        variant,
        blob.digest,
        JSON.stringify(blob),
      );
    });
  }

  compressed(diffId: DiffId, variant: string): Descriptor | undefined {
    const { database } = this.#state;
    const rows =
      variant === "any"
        ? database.all<{ descriptor: string }>("SELECT descriptor FROM compressed WHERE diff_id=?", diffId)
        : database.all<{ descriptor: string }>(
            "SELECT descriptor FROM compressed WHERE diff_id=? AND variant=?",
            diffId,
            variant,
          );
    for (const row of rows) {
      const descriptor = JSON.parse(row.descriptor) as Descriptor;
      if (this.has(descriptor.digest)) return descriptor;
    }
    return undefined;
  }

  #temporary(): string {
    return join(this.#state.lease.folder(), `ingest-${randomBytes(6).toString("hex")}`);
  }

  /** Makes a complete, fsynced file visible under its digest, and holds it. */
  #publish(temporary: string, digest: Digest): void {
    const { layout, lease, database } = this.#state;
    database.transaction(() => {
      lease.holdBlob(digest);
      renameSync(temporary, layout.blob(digest));
    });
  }

  /** Makes renames into the folder durable. */
  async #syncFolder(): Promise<void> {
    const folder = await open(this.#state.layout.blobs, "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }

  #syncFolderNow(): void {
    const folder = openSync(this.#state.layout.blobs, "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  }

  #missing(digest: Digest): TsbuildError {
    return new TsbuildError("TSB_STORE", `the blob ${digest} is not in the state folder`, {
      hint: "it may have been removed by `tsbuild prune`; build or pull again",
    });
  }
}

function sizeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.size;
}

/** Writes a stream to a new file, hashing on the way; fsynced and verified when it resolves. */
async function receive(
  source: AsyncIterable<Uint8Array>,
  target: {
    readonly file: string;
    readonly root: string;
    readonly onSize: (sizeBytes: number) => void;
    readonly onWhole: (digest: Digest, sizeBytes: number) => void;
  },
  expected: Expected | undefined,
): Promise<{ readonly digest: Digest; readonly size: number }> {
  const { file, root, onSize, onWhole } = target;
  const handle = await guardedAsync("write a blob", root, () => open(file, "wx", 0o644));
  const writer = new BlobWriter(handle, { root, onSize });
  try {
    onSize(0);
    const size = await copy(source, writer, expected?.size);
    const digest = `sha256:${await writer.end()}` as Digest;
    verify({ digest, size }, expected);
    onWhole(digest, size);
    await guardedAsync("write a blob", root, () => handle.sync());
    return { digest, size };
  } finally {
    await writer.settle();
    await handle.close();
  }
}

/**
 * Returns how many bytes there were. Stops behind `maxBytes`: what does not end as promised must not fill the disk. Errors of the
 * source (a registry, a pipe) pass as they are.
 */
async function copy(
  source: AsyncIterable<Uint8Array>,
  writer: BlobWriter,
  maxBytes: number | undefined,
): Promise<number> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (maxBytes !== undefined && size > maxBytes) break;
    await writer.add(chunk);
  }
  return size;
}

function verify(
  got: { readonly digest: Digest; readonly size: number },
  expected: Expected | undefined,
): void {
  if (expected === undefined) return;
  if (expected.size !== undefined && got.size !== expected.size) {
    const amount = got.size > expected.size ? "more" : `${got.size}`;
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `the blob ${expected.digest} must have ${expected.size} bytes; got ${amount}`,
    );
  }
  if (got.digest !== expected.digest) {
    throw new TsbuildError(
      "TSB_INTEGRITY",
      `expected a blob with digest ${expected.digest}; got ${got.digest}`,
    );
  }
}
